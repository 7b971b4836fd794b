"""The servers of the test suite are the real ones, and each test starts from nothing."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest
import redis
import servers


@pytest.mark.parametrize("_again", [1, 2])
def test_every_test_has_an_empty_postgres_database(postgres_url: str, _again: int) -> None:
    with psycopg.connect(postgres_url) as connection:
        connection.execute("CREATE TABLE t (x integer)")
        assert "PostgreSQL" in connection.execute("SELECT version()").fetchone()[0]


@pytest.mark.parametrize("_again", [1, 2])
def test_every_test_has_an_empty_redis(redis_url: str, _again: int) -> None:
    with redis.Redis.from_url(redis_url) as client:
        assert client.set("key", "value", nx=True)
        assert client.info("server")["redis_version"]


def test_the_wheels_serve_where_nothing_is_installed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(servers.shutil, "which", lambda *_args, **_options: None)
    monkeypatch.setattr(servers.Path, "glob", lambda *_args: iter(()))
    with servers.run_postgres() as postgres, postgres.new_database() as url:
        with psycopg.connect(url) as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)
    with servers.run_redis() as server:
        assert server.is_ready()
