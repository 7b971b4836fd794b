"""The migrations and the tables say the same, and many processes may migrate at once."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import inspect, select, text

from service.domain import PUBLIC_GROUP, StoreUnavailableError
from service.domain.views import StructureQuery
from service.store import Store
from service.store.migration import make_config
from service.store.tables import metadata, references


def test_the_migrations_make_the_tables(store: Store) -> None:
    with store.reading() as tx:
        context = MigrationContext.configure(tx.connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []


def test_the_migrations_make_the_check_constraints(tmp_path: Path) -> None:
    """Alembic does not compare these."""
    migrated = Store(f"sqlite:///{tmp_path / 'migrated.sqlite3'}")
    migrated.migrate()
    created = Store(f"sqlite:///{tmp_path / 'created.sqlite3'}")
    found = []
    for store in (migrated, created):
        with store.transaction() as tx:
            metadata.create_all(tx.connection)
            inspector = inspect(tx.connection)
            checks = {name: inspector.get_check_constraints(name) for name in metadata.tables}
            found.append({name: sorted((c["name"] or "", c["sqltext"]) for c in checks[name]) for name in checks})
        store.close()
    assert found[0] == found[1]
    assert [name for name, _ in found[0]["chunks"]] == ["ck_chunks_kind", "ck_chunks_not_empty", "ck_chunks_state"]


def test_what_was_stored_before_is_kept_and_completed(bare_database_url: str) -> None:
    """From the first schema on: indexes, patterns of references, energies that rank."""
    atoms = '{"numbers": [3], "positions": [[0, 0, 0]], "cell": [[3, 0, 0], [0, 3, 0], [0, 0, 3]], "periodic": [true]}'
    now = "'2026-01-01 00:00:00+00:00'"
    statements = [
        f"INSERT INTO jobs (id, state, spec, n, created_at) VALUES ('j', 'succeeded', '{{}}', 1, {now})",
        "INSERT INTO structures (id, job_id, sample, model, formula, reduced_formula, chemsys, n_atoms, is_crystal, "
        "pseudo_energy_per_atom, converged, n_steps, representative_id, atoms, created_at) "
        f"VALUES ('j-0', 'j', 0, 'mp20', 'Li', 'Li', 'Li', 1, true, -1.5, true, 9, 'j-0', '{atoms}', {now})",
        *(
            'INSERT INTO "references" (id, name, source, formula, reduced_formula, chemsys, n_atoms, atoms, created_at)'
            f" VALUES ('{formula}', 'known', '', '{formula}', '{formula}', 'x', 1, '{atoms}', {now})"
            for formula in ("Li4S2", "K1Zn1F3", "C8", "Al2O3")
        ),
        "INSERT INTO matches (structure_id, reference_id, rms) VALUES ('j-0', 'C8', 0.1)",
    ]
    with closing(Store(bare_database_url)) as store:
        with store.transaction() as tx:
            command.upgrade(make_config(tx.connection), "0001")
            for statement in statements:
                tx.connection.exec_driver_sql(statement)
        assert not store.is_migrated()
        store.migrate()
        with store.reading() as tx:
            view = tx.structure_views.get("j-0", PUBLIC_GROUP)
            found = tx.structure_views.search(StructureQuery(group=PUBLIC_GROUP, matched=True, unique=True)).items
            rows = tx.connection.execute(select(references.c.id, references.c.anonymous_formula))
            patterns = {key: pattern for key, pattern in rows}  # noqa: C416  rows are no pairs to mypy
            context = MigrationContext.configure(tx.connection, opts={"compare_type": True})
            assert compare_metadata(context, metadata) == []
    assert (view.ranking_energy, view.energy_kind, view.start) == (-1.5, "pseudo", "random")
    assert (view.model_fingerprint, view.molecule, [match.reference for match in view.matches]) == (None, None, ["C8"])
    assert (view.atoms, [item.id for item in found]) == (json.loads(atoms), ["j-0"])
    assert patterns == {"Li4S2": "AB2", "K1Zn1F3": "ABC3", "C8": "A", "Al2O3": "A2B3"}


def test_several_processes_migrate_at_once(bare_database_url: str) -> None:
    program = "import sys; from service.store import Store; Store(sys.argv[1]).migrate()"
    processes = [subprocess.Popen([sys.executable, "-c", program, bare_database_url]) for _ in range(4)]
    assert [process.wait(timeout=60) for process in processes] == [0, 0, 0, 0]
    store = Store(bare_database_url)
    assert store.is_migrated()
    store.close()


def test_an_empty_database_is_not_migrated(bare_database_url: str) -> None:
    store = Store(bare_database_url)
    assert not store.is_migrated()
    store.close()


def test_sqlite_is_set_up_for_several_processes(tmp_path: Path) -> None:
    store = Store(f"sqlite:///{tmp_path / 'new' / 'test.sqlite3'}")
    with store.reading() as tx:
        found = {
            name: tx.connection.scalar(text(f"PRAGMA {name}"))
            for name in ("journal_mode", "foreign_keys", "busy_timeout")
        }
    assert found == {"journal_mode": "wal", "foreign_keys": 1, "busy_timeout": 30_000}
    store.close()


def test_a_database_that_is_not_there_is_said_so() -> None:
    store = Store("postgresql://nobody@127.0.0.1:1/none")
    with pytest.raises(StoreUnavailableError), store.reading():
        pass
    store.close()
