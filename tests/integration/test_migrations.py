"""The schema's revisions: down and up again with data, and workers of the version before on the new schema."""

from __future__ import annotations

import io
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from databases import CUBE, lis2, run_job, state_of
from packed import pack
from processes import run_command
from sqlalchemy import Connection, inspect, text
from stacks import Stack
from typer.testing import CliRunner

from rm_engine.spec import GenerationSpec, ModelSpec, unpack_card
from rmatch.main import app
from service.domain import PUBLIC_GROUP, GeneratedRecord, JobState, Match, MoleculeRecord, Reference, SchemaError
from service.domain.views import StructureQuery, StructureView
from service.jobs import (
    add_model,
    add_references,
    claim_chunk,
    list_due_chunks,
    record_generated,
    submit_job,
    submit_training,
)
from service.store import Store
from service.store.migration import MIGRATIONS

ROOT = Path(__file__).parents[2]
REVISIONS = sorted(path.name[:4] for path in (MIGRATIONS / "versions").glob("0*.py"))
NEWEST = REVISIONS[-1]


def fill(store: Store) -> dict[str, str]:
    """A finished job of crystals with everything, one of molecules, a running and a waiting one."""
    (known,) = add_references(store, [Reference(name="known", atoms=CUBE)])
    crystals = run_job(
        store,
        lis2(),
        [-1.0, -2.0, -1.5, -2.0],
        matches={1: [Match(reference_id=known, rms=0.1)]},
        duplicates={3: 1},
        formation_energy_per_atom=-0.5,
        band_gap=1.5,
    )
    ethanol = MoleculeRecord(smiles="CCO", is_connected=True, checks={"sanitization": True}, passes_checks=True)
    molecules = run_job(store, replace(lis2(), periodic=(False, False, False)), [0.0] * 4, molecule=ethanol)
    running = submit_job(store, lis2())
    claim_chunk(store, list_due_chunks(store, job_id=running)[0], "worker", 60.0)
    return {"crystals": crystals, "molecules": molecules, "running": running, "waiting": submit_job(store, lis2())}


def read_structures(store: Store, *jobs: str) -> list[StructureView]:
    with store.reading() as tx:
        found = [
            item
            for job in jobs
            for item in tx.structure_views.search(StructureQuery(group=PUBLIC_GROUP, job=job)).items
        ]
        return [tx.structure_views.get(item.id, PUBLIC_GROUP) for item in found]


def describe(connection: Connection) -> dict[str, Any]:
    """The schema but for the order of columns, which SQLite gives new ones at the end."""
    inspector = inspect(connection)
    return {
        table: {
            "columns": sorted((c["name"], str(c["type"]), c["nullable"]) for c in inspector.get_columns(table)),
            "indexes": sorted(
                (
                    str(i["name"]),
                    i["column_names"],
                    [f"{k} {v}" for k, v in sorted(i.get("dialect_options", {}).items())],
                )
                for i in inspector.get_indexes(table)
            ),
            "key": inspector.get_pk_constraint(table)["constrained_columns"],
            "foreign": sorted((str(f["name"]), f["referred_table"]) for f in inspector.get_foreign_keys(table)),
            "unique": sorted(str(u["name"]) for u in inspector.get_unique_constraints(table)),
            "checks": sorted(str(c["name"]) for c in inspector.get_check_constraints(table)),
        }
        for table in inspector.get_table_names()
    } | {"triggers": _list_triggers(connection)}


def _list_triggers(connection: Connection) -> list[str]:
    is_sqlite = connection.dialect.name == "sqlite"
    query = "SELECT name FROM sqlite_master WHERE type = 'trigger'" if is_sqlite else "SELECT tgname FROM pg_trigger"
    names = connection.scalars(text(query))
    return sorted(name for name in names if name.endswith("_terminal_state"))


def describe_store(store: Store) -> dict[str, Any]:
    with store.reading() as tx:
        return describe(tx.connection)


@pytest.fixture
def ways_up(bare_database_url: str) -> Iterator[tuple[Store, dict[str, dict[str, Any]]]]:
    """A database brought up step by step, and the schema that it had at each."""
    with closing(Store(bare_database_url)) as store:
        found = {}
        for revision in REVISIONS:
            store.migrate(revision)
            found[revision] = describe_store(store)
        yield store, found


def test_every_step_down_is_the_way_up_reversed(ways_up: tuple[Store, dict[str, dict[str, Any]]]) -> None:
    store, expected = ways_up
    jobs = fill(store)
    for revision in reversed(REVISIONS):
        store.migrate(revision)
        assert describe_store(store) == expected[revision]
        with store.reading() as tx:
            assert tx.connection.scalar(text("SELECT count(*) FROM jobs")) == len(jobs)
            assert tx.connection.scalar(text("SELECT count(*) FROM structures")) == 8
            assert tx.connection.scalar(text("SELECT count(*) FROM matches")) == 1


def test_the_way_down_takes_trainings_and_models_along(store: Store) -> None:
    """The schema before knows neither, and no worker of then could do what their jobs ask for."""
    jobs = fill(store)
    training = submit_training(store, ModelSpec(name="mine", n_structures=1, n_atoms=3), [CUBE])
    add_model(store, replace(unpack_card(pack("diamond")), name="own"), pack("diamond"), PUBLIC_GROUP)
    store.migrate("0006")
    store.migrate()
    with store.reading() as tx:
        found = set(tx.connection.scalars(text("SELECT id FROM jobs")))
        assert tx.models.of_group(PUBLIC_GROUP) == []
    assert found == set(jobs.values())
    assert training not in found


@pytest.mark.parametrize("revision", REVISIONS[:-1])
def test_down_and_up_again_keeps_what_the_older_schema_can_hold(store: Store, revision: str) -> None:
    jobs = fill(store)
    before = read_structures(store, jobs["crystals"], jobs["molecules"])
    store.migrate(revision)
    store.migrate()
    lost: dict[str, None] = {} if revision > "0007" else {"band_gap": None}
    if revision == "0001":
        lost |= {"model_fingerprint": None, "formation_energy_per_atom": None, "molecule": None}
    after = read_structures(store, jobs["crystals"], jobs["molecules"])
    assert [replace(view, matches=tuple(view.matches)) for view in after] == [
        replace(
            view,
            matches=tuple(view.matches),
            **lost,
            **({"ranking_energy": view.pseudo_energy_per_atom} if revision == "0001" else {}),
        )
        for view in before
    ]
    assert state_of(store, jobs["waiting"]) is JobState.QUEUED
    # work goes on where it was, under the claim of before
    claim = claim_chunk(store, list_due_chunks(store, job_id=jobs["waiting"])[0], "worker", 60.0)
    assert claim is not None
    records = [
        GeneratedRecord(
            sample=k,
            atoms=CUBE,
            model_fingerprint="0",
            start="random",
            pseudo_energy_per_atom=0.0,
            converged=True,
            n_steps=1,
        )
        for k in range(claim.start, claim.stop)
    ]
    assert record_generated(store, claim, records)


def test_a_newer_schema_is_served_and_never_touched(store: Store) -> None:
    """While an upgrade is rolled out, processes of the version before go on."""
    with store.transaction() as tx:
        tx.connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    assert store.is_migrated()
    with pytest.raises(SchemaError, match=rf"9999, is newer than {NEWEST}.*migrate --to {NEWEST}"):
        store.migrate()
    with pytest.raises(SchemaError, match="newer"):
        store.list_losses(REVISIONS[0])


def test_an_older_schema_is_not_served(store: Store) -> None:
    store.migrate(REVISIONS[-2])
    assert not store.is_migrated()
    with pytest.raises(SchemaError, match=r"There is no schema '0000'. There are 0001, "):
        store.migrate("0000")


def test_the_command_tells_what_the_way_down_loses(
    store: Store, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RMATCH_DATABASE_URL", database_url)
    refused = CliRunner().invoke(app, ["migrate", "--to", "0003"])
    assert "A request that is sent again gives a second job." in str(refused.exception)
    assert "--accept-losses" in str(refused.exception)
    assert store.is_migrated()
    assert CliRunner().invoke(app, ["migrate", "--to", "0003", "--accept-losses"]).exit_code == 0
    assert not store.is_migrated()
    assert CliRunner().invoke(app, ["migrate"]).exit_code == 0
    assert store.is_migrated()


@pytest.fixture(scope="session")
def version_before(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs as they were before the newest migration, from the history."""
    newest = next((MIGRATIONS / "versions").glob(f"{NEWEST}_*.py")).relative_to(ROOT)
    git = ["git", "-C", str(ROOT)]
    added = subprocess.run(
        [*git, "log", "--diff-filter=A", "--format=%H", "--", newest], capture_output=True, text=True, check=False
    )
    if added.returncode != 0 or not added.stdout.strip():
        pytest.skip("the history of this checkout does not reach back to the version before")
    archive = subprocess.run(
        [*git, "archive", f"{added.stdout.split()[-1]}^", "rm_engine", "service", "worker", "rmatch"],
        capture_output=True,
        check=True,
    )
    folder = tmp_path_factory.mktemp("version-before")
    with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as files:
        files.extractall(folder, filter="data")
    assert not (folder / newest).exists()
    return folder


@pytest.mark.timeout(120)
def test_a_worker_of_the_version_before_works_on_the_new_schema(stack: Stack, version_before: Path) -> None:
    """An upgrade migrates first, then replaces process after process."""
    spec = GenerationSpec(composition="C", n=4, formula_units=(2,), model="diamond", max_steps=50)
    program = "import sys, rmatch; assert rmatch.__file__.startswith(sys.path[0]); from rmatch.main import main; main()"
    known = ("data_dir", "database_url", "broker_url", "lease_seconds", "sweep_seconds", "reannounce_seconds")
    environment = {f"RMATCH_{name.upper()}": str(getattr(stack.settings, name)) for name in known}
    environment |= {"PYTHONPATH": str(version_before), "PYTHONSAFEPATH": "1"}  # not from the current folder
    with (
        run_command([sys.executable, "-c", program, "worker"], environment),
        run_command([sys.executable, "-c", program, "sweep"], environment),
    ):
        job_id = stack.submit(spec, chunk_size=2)
        job = stack.wait_for(job_id)
    assert (job.state, job.error, job.counts.generated + job.counts.failed) == (JobState.SUCCEEDED, None, 4)
