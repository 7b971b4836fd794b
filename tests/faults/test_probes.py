"""Probes and metrics while database and broker hang: connections open, and then nothing comes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fastapi.testclient import TestClient
from servers import run_postgres, run_redis, wait_until

from service.main import create_app
from service.settings import Settings
from service.store import Store


def test_nothing_that_hangs_makes_a_probe_hang(tmp_path: Path) -> None:
    with run_postgres() as postgres, run_redis() as redis, postgres.new_database() as url:
        settings = Settings(
            data_dir=tmp_path,
            database_url=url,
            broker_url=redis.url,
            keys="off",
            prepare_database=False,
            database_seconds=1.0,
        )
        store = Store(url)
        store.migrate()
        store.close()
        with TestClient(create_app(settings), "http://localhost", raise_server_exceptions=False) as client:

            def readiness() -> dict[str, Any]:
                answer: dict[str, Any] = client.get("/readyz").json()
                return answer

            def parts() -> tuple[str, str]:
                return readiness()["database"], readiness()["broker"]

            assert parts() == ("ready", "ready")
            with redis.process.paused():
                wait_until(lambda: parts() == ("ready", "down"), "the broker is called down")
                assert client.get("/readyz").status_code == 200
            with postgres.process.paused():
                wait_until(lambda: parts() == ("down", "ready"), "the database is called down")
                assert client.get("/readyz").status_code == 503
                assert "rmatch_database_up 0.0" in client.get("/metrics").text
            wait_until(lambda: parts() == ("ready", "ready"), "both are back")
            assert "rmatch_database_up 1.0" in client.get("/metrics").text
