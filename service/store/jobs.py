"""The jobs table."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select, update

from rm_engine.spec import Formula, GenerationSpec
from service.domain import JobSpec, JobState, NotFoundError, Principal, read_job_spec
from service.domain.states import JOB_TRANSITIONS, states_before
from service.store.engine import read_clock
from service.store.tables import chemical_system_elements, chunks, compositions, jobs
from service.store.upsert import insert_or_ignore


@dataclass(frozen=True)
class StoredJob:
    """A job under lock."""

    id: str
    state: JobState
    spec: JobSpec
    created_at: datetime
    group: str
    request_id: str


@dataclass(frozen=True)
class JobRepository:
    """Jobs within one transaction. Whoever changes a job or several of its chunks locks the job first."""

    connection: Connection

    def add(self, job_id: str, spec: JobSpec, principal: Principal, request_id: str) -> None:
        """Store a queued job of whoever asks for it."""
        values = {
            "id": job_id,
            "group_name": principal.group,
            "key_id": principal.key_id,
            "request_id": request_id,
            "state": JobState.QUEUED,
            "spec": spec.to_json(),
            "n": spec.n,
            "atom_steps": spec.atom_steps,
            "created_at": read_clock(self.connection),
        }
        self.connection.execute(jobs.insert().values(values))
        if isinstance(spec, GenerationSpec):
            self._add_compositions(spec)

    def _add_compositions(self, spec: GenerationSpec) -> None:
        rows = {part.formula.reduced: _describe(part.formula) for part in spec.parts}
        insert_or_ignore(self.connection, compositions, [rows[formula] for formula in sorted(rows)])
        insert_or_ignore(
            self.connection,
            chemical_system_elements,
            [{"chemsys": spec.chemsys, "symbol": symbol} for symbol in spec.elements],
        )

    def lock(self, job_id: str, group: str | None = None) -> JobState:
        """Lock the job's row until the transaction ends, and return its state.

        Raises:
            NotFoundError: no such job, or not of that group.
        """
        query = select(jobs.c.state).where(jobs.c.id == job_id).with_for_update()
        state: JobState | None = self.connection.scalar(
            query if group is None else query.where(jobs.c.group_name == group)
        )
        if state is None:
            raise NotFoundError("job", job_id)
        return state

    def lock_of_chunk(self, chunk_id: str) -> StoredJob | None:
        """Lock the job of a chunk; None where there is no such chunk."""
        row = self.connection.execute(
            select(*jobs.c["id", "state", "spec", "created_at", "group_name", "request_id"])
            .join(chunks, chunks.c.job_id == jobs.c.id)
            .where(chunks.c.id == chunk_id)
            .with_for_update(of=jobs)
        ).one_or_none()
        if row is None:
            return None
        spec = read_job_spec(row.spec)
        return StoredJob(row.id, row.state, spec, row.created_at, row.group_name, row.request_id)

    def start(self, job_id: str) -> None:
        """A worker has taken the first chunk."""
        self.connection.execute(
            update(jobs)
            .where(jobs.c.id == job_id, jobs.c.state == JobState.QUEUED)
            .values(state=JobState.RUNNING, started_at=read_clock(self.connection))
        )

    def finish(self, job_id: str, state: JobState, error: str | None = None) -> None:
        """Bring the job to a terminal state; one that has one already keeps it."""
        self.connection.execute(
            update(jobs)
            .where(jobs.c.id == job_id, jobs.c.state.in_(states_before(state, JOB_TRANSITIONS)))
            .values(state=state, error=error, finished_at=read_clock(self.connection))
        )


def _describe(formula: Formula) -> dict[str, Any]:
    return {
        "reduced_formula": formula.reduced,
        "chemsys": formula.chemsys,
        "n_elements": len(formula.elements),
        "anonymous_formula": formula.anonymous,
    }
