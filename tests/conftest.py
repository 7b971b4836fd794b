"""Fixtures that every test may use: real servers, one database per test."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from servers import PostgresServer, RedisServer, run_postgres, run_redis
from stacks import Stack, open_stack

from service.settings import Settings


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say at the end, where all see it, that the page was not tested."""
    skipped = [report for report in terminalreporter.stats.get("skipped", ()) if "tests/browser/" in report.nodeid]
    if skipped:
        text = f"The {len(skipped)} tests of the page did not run: they need chromium, which is not installed."
        terminalreporter.write_line(text, yellow=True)


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """The training and benchmark data sets: the folder that RMATCH_DATA names, or shared/data beside this checkout."""
    folder = Path(os.environ.get("RMATCH_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"There are no data sets in {folder}. Set RMATCH_DATA to the folder that holds them.")
    return folder


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """A PostgreSQL server for the whole session."""
    with run_postgres() as server:
        yield server


@pytest.fixture
def postgres_url(postgres_server: PostgresServer) -> Iterator[str]:
    """URL of an empty PostgreSQL database."""
    with postgres_server.new_database() as url:
        yield url


@pytest.fixture(scope="session")
def redis_server() -> Iterator[RedisServer]:
    """A Redis server for the whole session."""
    with run_redis() as server:
        yield server


@pytest.fixture
def redis_url(redis_server: RedisServer) -> str:
    """URL of an empty Redis database."""
    redis_server.flush()
    return redis_server.url


@pytest.fixture(params=["embedded", "servers"])
def stack(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Stack]:
    """SQLite with the queue of files, then PostgreSQL with Redis; leases short enough to wait for."""
    options: dict[str, Any] = {
        "data_dir": tmp_path,
        "lease_seconds": 2.0,
        "sweep_seconds": 0.2,
        "reannounce_seconds": 1.0,
        "soft_shutdown_seconds": 1.0,
        "worker_nice": 0,
    }
    if request.param == "servers":
        options["database_url"] = request.getfixturevalue("postgres_url")
        options["broker_url"] = request.getfixturevalue("redis_url")
        options["keys"] = "off"
    with open_stack(Settings(**options)) as opened:
        yield opened
