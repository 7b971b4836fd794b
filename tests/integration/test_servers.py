"""The servers of the test suite are the real ones, and each test starts from nothing."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest
import redis
import servers

from tests import binaries


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
    monkeypatch.setattr(binaries.shutil, "which", lambda *_args, **_options: None)
    monkeypatch.setattr(binaries.Path, "glob", lambda *_args: iter(()))
    with servers.run_postgres() as postgres, postgres.new_database() as url:
        with psycopg.connect(url) as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)
    with servers.run_redis() as server, redis.Redis.from_url(server.url) as client:
        assert client.ping()


def test_servers_fail_and_come_back() -> None:
    with servers.run_postgres(is_durable=True) as postgres, postgres.new_database() as url:
        with psycopg.connect(url) as connection:
            connection.execute("CREATE TABLE t AS SELECT 1 AS x")
        postgres.crash()
        with psycopg.connect(url) as connection:
            assert connection.execute("SELECT x FROM t").fetchone() == (1,)
        with postgres.process.paused(), pytest.raises(psycopg.errors.ConnectionTimeout):
            psycopg.connect(url, connect_timeout=2)
        with postgres.process.stopped(), pytest.raises(psycopg.OperationalError, match="refused"):
            psycopg.connect(url)
        psycopg.connect(url).close()
    with servers.run_redis() as server, redis.Redis.from_url(server.url) as client:
        client.set("key", "value")
        server.process.kill()
        server.process.start()
        assert client.get("key") is None
