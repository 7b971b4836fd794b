"""The documented settings are those there are; the documented commands for backup and restore run as they stand."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from databases import claim_next, lis2, run_job
from servers import PostgresServer
from sqlalchemy import create_engine, select

from service.domain import Principal, Scope
from service.domain.keys import KeyRequest
from service.jobs import ChunkLimits, authenticate, create_key, seed_known_crystals, submit_job
from service.settings import Settings
from service.store import Store
from service.store.tables import metadata

DOCS = Path(__file__).parents[2] / "docs"
SECRET = b"0123456789abcdef" * 2


def settings_table() -> str:
    """What stands between the two marks."""
    lines = ["| Variable | Default | |", "|---|---|---|"]
    for name, field in Settings.model_fields.items():
        value = str(field.default).lower() if isinstance(field.default, bool) else field.default
        default = "" if value in (None, "") else f"`{value}`"
        lines.append(f"| `RMATCH_{name.upper()}` | {default} | {field.description} |")
    return "\n".join(lines)


def test_every_setting_is_listed_as_it_is() -> None:
    page = (DOCS / "deployment.md").read_text()
    listed = page.partition("<!-- settings -->\n")[2].partition("\n<!-- /settings -->")[0]
    assert all(field.description for field in Settings.model_fields.values())
    assert listed == settings_table(), f"Put this between the marks:\n{settings_table()}"


def command(name: str) -> str:
    """A block of the guide by its name."""
    guide = (DOCS / "operations.md").read_text()
    (block,) = re.findall(rf"^<!-- not run: operations, {name} -->\n```sh\n(.*?)^```", guide, re.M | re.S)
    return str(block)


def run(name: str, environment: Mapping[str, object], path: Sequence[Path] = ()) -> None:
    """Run a block of the guide with the programs of this environment."""
    programs = [Path(sys.executable).parent, *path]
    search = os.pathsep.join([*map(str, programs), os.environ["PATH"]])
    given = {key: value for key, value in os.environ.items() if not key.startswith("RMATCH_")}
    subprocess.run(
        ["sh", "-euc", command(name)],
        env={**given, **{key: str(value) for key, value in environment.items()}, "PATH": search},
        check=True,
        timeout=120,
    )


def fill(store: Store) -> str:
    """Put in some of everything, a chunk in work among it; the text of a key."""
    store.migrate()
    seed_known_crystals(store)
    key, _ = create_key(store, SECRET, KeyRequest(name="test", group="g", scopes=frozenset(Scope)))
    run_job(store, lis2(4), [-1.0, -2.0, -3.0, -4.0], limits=ChunkLimits(max_samples=2))
    owner = Principal(key_id=key.id, group="g", scopes=frozenset(Scope))
    submit_job(store, lis2(4), ChunkLimits(max_samples=2), principal=owner, request_id="before the backup")
    claim_next(store)
    return key.text


def contents(database_url: str) -> dict[str, list[Any]]:
    """Every row of every table."""
    engine = create_engine(database_url)
    with engine.connect() as connection:
        rows = {
            table.name: [tuple(row) for row in connection.execute(select(table).order_by(*table.primary_key.columns))]
            for table in metadata.sorted_tables
        }
    engine.dispose()
    return rows


def check_restored(database_url: str, saved: dict[str, list[Any]], key: str) -> None:
    """Everything is there again, and it works: the key is known, and jobs go on."""
    restored = contents(database_url)
    assert restored.keys() == saved.keys()
    for table, rows in saved.items():
        if table != "api_keys":  # has noted its use
            assert restored[table] == rows, table
    assert sum(map(len, saved.values())) > 100
    with closing(Store(database_url)) as store:
        assert authenticate(store, SECRET, key).group == "g"
        assert claim_next(store).request_id == "before the backup"


def test_a_backup_of_sqlite_brings_everything_back(tmp_path: Path) -> None:
    environment = {"RMATCH_DATA_DIR": tmp_path / "data", "BACKUP": tmp_path / "backup.sqlite3"}
    url = f"sqlite:///{tmp_path / 'data' / 'rmatch.sqlite3'}"
    with closing(Store(url)) as store:
        key = fill(store)
        saved = contents(url)
        run("backup-sqlite", environment)
        submit_job(store, lis2(2))  # lost
    run("restore-sqlite", environment)
    check_restored(url, saved, key)


def test_a_backup_of_postgresql_brings_everything_back(postgres_server: PostgresServer, tmp_path: Path) -> None:
    programs = [postgres_server.binaries]
    backup = tmp_path / "rmatch.dump"
    with postgres_server.new_database() as url, closing(Store(url)) as store:
        key = fill(store)
        saved = contents(url)
        run("backup-postgresql", {"RMATCH_DATABASE_URL": url, "BACKUP": backup}, programs)
        submit_job(store, lis2(2))  # lost
    with postgres_server.new_database() as url:
        run("restore-postgresql", {"RMATCH_DATABASE_URL": url, "BACKUP": backup}, programs)
        check_restored(url, saved, key)
