"""What tests of the store share: both databases, and what a worker would have recorded."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from shutil import copy
from typing import Any

import pytest
from sqlalchemy import Connection, event

from rm_engine.spec import GenerationSpec
from service.domain import ANONYMOUS, PUBLIC_GROUP, Claim, GeneratedRecord, JobState, Match, Principal
from service.jobs import (
    ChunkLimits,
    claim_chunk,
    list_due_chunks,
    load_hull_systems,
    load_job_structures,
    record_analysis,
    record_generated,
    submit_job,
)
from service.jobs.submission import DEFAULT_LIMITS
from service.store import Store


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """URL of a migrated, empty database."""
    if request.param == "sqlite":
        path = copy(request.getfixturevalue("migrated_sqlite"), tmp_path / "test.sqlite3")
        return f"sqlite:///{path}"
    return str(request.getfixturevalue("migrated_postgres_url"))


@pytest.fixture(params=["sqlite", "postgresql"])
def bare_database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """URL of a database without tables."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'test.sqlite3'}"
    return str(request.getfixturevalue("postgres_url"))


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    """A migrated, empty database."""
    store = Store(database_url)
    store.migrate()
    yield store
    store.close()


@contextmanager
def explaining(connection: Connection) -> Iterator[list[str]]:
    """The plan of every query that is made meanwhile."""
    plans: list[str] = []
    how = "EXPLAIN QUERY PLAN" if connection.dialect.name == "sqlite" else "EXPLAIN"

    def explain(_connection, cursor, statement, parameters, _context, _many) -> None:
        with closing(cursor.connection.cursor()) as other:
            other.execute(f"{how} {statement}", parameters)
            plans.append("\n".join(str(line[-1]) for line in other.fetchall()))

    event.listen(connection, "before_cursor_execute", explain)
    try:
        yield plans
    finally:
        event.remove(connection, "before_cursor_execute", explain)


FINGERPRINT = "0123456789ab"
CUBE: dict[str, Any] = {
    "numbers": [3, 16, 16],
    "positions": [[0.0, 0.0, 0.0], [1.0, 1.0, 1.0], [2.0, 2.0, 2.0]],
    "cell": [[3.0, 0.0, 0.0], [0.0, 3.0, 0.0], [0.0, 0.0, 3.0]],
    "periodic": [True, True, True],
}


def lis2(n: int = 4, **fields: Any) -> GenerationSpec:
    """A job of ``n`` samples of three atoms."""
    return GenerationSpec(**{"composition": "LiS2", "n": n, "formula_units": (1,), **fields})


def record(sample: int, energy: float = -1.0, **fields: Any) -> GeneratedRecord:
    """A converged structure."""
    return GeneratedRecord(
        **{
            "sample": sample,
            "atoms": CUBE,
            "model_fingerprint": FINGERPRINT,
            "start": "random",
            "pseudo_energy_per_atom": energy,
            "converged": True,
            "n_steps": 100,
            "space_group_number": 225,
            "space_group_symbol": "Fm-3m",
            **fields,
        }
    )


def claim_next(store: Store, worker: str = "worker", lease_seconds: float = 60.0) -> Claim:
    """Claim the chunk that is due first."""
    claim = claim_chunk(store, list_due_chunks(store)[0], worker, lease_seconds)
    assert claim is not None
    return claim


def state_of(store: Store, job_id: str) -> JobState:
    with store.reading() as tx:
        return tx.job_views.get(job_id, PUBLIC_GROUP).state


def run_job(
    store: Store,
    spec: GenerationSpec,
    energies: list[float],
    *,
    matches: dict[int, list[Match]] | None = None,
    limits: ChunkLimits = DEFAULT_LIMITS,
    duplicates: dict[int, int] | None = None,
    principal: Principal = ANONYMOUS,
    **fields: Any,
) -> str:
    """Submit a job and record what a worker would: these energies, and the hull as the lowest of each system."""
    job_id = submit_job(store, spec, limits, principal=principal)
    while chunk_ids := list_due_chunks(store, job_id=job_id):
        claim = claim_chunk(store, chunk_ids[0], "worker", 60.0)
        assert claim is not None
        if claim.kind == "generate":
            found = [
                record(k, energies[k], matches=tuple((matches or {}).get(k, ())), **fields)
                for k in range(claim.start, claim.stop)
            ]
            assert record_generated(store, claim, found)
        else:
            ids = sorted(structure.id for structure in load_job_structures(store, claim))
            pairs = {ids[k]: ids[original] for k, original in (duplicates or {}).items()}
            fingerprint = fields.get("model_fingerprint", FINGERPRINT)
            hull = {
                entry.reduced_formula: min(member.lowest_energy for member in system.members)
                for system in load_hull_systems(store, claim, fingerprint)
                for entry in system.members
            }
            assert record_analysis(store, claim, {key: pairs.get(key) for key in ids}, hull, fingerprint)
    return job_id
