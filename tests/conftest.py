"""Fixtures that every test may use: real servers, one database per test."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Generator, Iterator
from contextlib import closing
from pathlib import Path
from shutil import copy, disk_usage
from typing import Any

import pytest
from servers import PostgresServer, RedisServer, run_postgres, run_redis
from stacks import Stack, open_stack

from service.settings import Settings
from service.store import Store

_MEMORY = Path("/dev/shm")
if "TMPDIR" not in os.environ and os.access(_MEMORY, os.W_OK) and disk_usage(_MEMORY).free > 4 * 1024**3:
    # Databases are made and thrown away a thousand times; on a slow disk that takes longer than all the rest.
    os.environ["TMPDIR"] = tempfile.tempdir = str(_MEMORY)

_LONG = ("fuzz/test_api", "storm/test_storm", "faults/", "docs/", "browser/", "fuzz/", "integration/test_load")
"""Files of minutes, which come first: begun last, one of them would be waited for while the other cores are idle."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put files of minutes before the others."""
    items.sort(key=lambda item: next((rank for rank, part in enumerate(_LONG) if part in item.nodeid), len(_LONG)))


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> Generator[None]:
    """Say after all the rest, where all see it, that the page was not tested."""
    yield
    skipped = [report for report in terminalreporter.stats.get("skipped", ()) if "tests/browser/" in report.nodeid]
    if skipped:
        text = f"Tests of the page that did not run: {len(skipped)}. They need chromium, which is not installed."
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
def migrated_postgres(postgres_server: PostgresServer) -> Iterator[str]:
    """Name of a migrated, empty database, to be copied: migrating takes longer than many a test."""
    with postgres_server.new_database() as url:
        migrate(url)
        yield url.rpartition("/")[2]


@pytest.fixture
def migrated_postgres_url(postgres_server: PostgresServer, migrated_postgres: str) -> Iterator[str]:
    """URL of a migrated, empty PostgreSQL database."""
    with postgres_server.new_database(migrated_postgres) as url:
        yield url


@pytest.fixture(scope="session")
def migrated_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same in SQLite, a file."""
    path = tmp_path_factory.mktemp("migrated") / "rmatch.sqlite3"
    migrate(f"sqlite:///{path}")
    return path


def migrate(url: str) -> None:
    """Give a database its schema."""
    with closing(Store(url)) as store:
        store.migrate()


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
        options["database_url"] = request.getfixturevalue("migrated_postgres_url")
        options["broker_url"] = request.getfixturevalue("redis_url")
        options["keys"] = "off"
    else:
        copy(request.getfixturevalue("migrated_sqlite"), tmp_path)
    with open_stack(Settings(**options)) as opened:
        yield opened
