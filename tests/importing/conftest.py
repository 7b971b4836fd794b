"""A database of its own for each import, and the command that fills it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from imports import Command, Stored
from typer.testing import CliRunner

from rmatch.main import app
from service.domain import Reference
from service.settings import Settings
from service.store import Store
from service.store.tables import references


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated database, to be copied."""
    settings = Settings(data_dir=tmp_path_factory.mktemp("empty"))
    with closing(Store(settings.resolved_database_url)) as store:
        store.migrate()
    return settings.data_dir / "rmatch.sqlite3"


@pytest.fixture
def settings(empty_database: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    folder = tmp_path / "data"
    folder.mkdir()
    shutil.copy(empty_database, folder)
    monkeypatch.setenv("RMATCH_DATA_DIR", str(folder))
    monkeypatch.setenv("COLUMNS", "300")
    return Settings(data_dir=folder)


@pytest.fixture
def store(settings: Settings) -> Iterator[Store]:
    with closing(Store(settings.resolved_database_url)) as store:
        yield store


@pytest.fixture
def rmatch(settings: Settings) -> Command:
    return lambda *arguments: CliRunner().invoke(app, ["references", *map(str, arguments)])


@pytest.fixture
def stored(store: Store) -> Stored:
    def read() -> dict[str, Reference]:
        with store.reading() as tx:
            rows = tx.connection.execute(references.select()).mappings().all()
        found = [
            Reference(name=row["name"], atoms=row["atoms"], source=row["source"], group=row["group_name"])
            for row in rows
        ]
        assert [item.id for item in found] == [row["id"] for row in rows]
        return {item.name: item for item in found}

    return read
