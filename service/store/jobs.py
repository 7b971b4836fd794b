"""The jobs table."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, select, update

from rm_engine.spec import GenerationSpec
from service.domain import JobState, NotFoundError
from service.domain.states import JOB_TRANSITIONS, states_before
from service.store.engine import read_clock
from service.store.tables import chemical_system_elements, chunks, jobs
from service.store.upsert import insert_or_ignore


@dataclass(frozen=True)
class StoredJob:
    """A job under lock."""

    id: str
    state: JobState
    spec: GenerationSpec
    created_at: datetime


@dataclass(frozen=True)
class JobRepository:
    """Jobs within one transaction. Whoever changes a job or several of its chunks locks the job first."""

    connection: Connection

    def add(self, job_id: str, spec: GenerationSpec) -> None:
        """Store a queued job."""
        now = read_clock(self.connection)
        values = {"id": job_id, "state": JobState.QUEUED, "spec": spec.to_json(), "n": spec.n, "created_at": now}
        self.connection.execute(jobs.insert().values(values))
        formula = spec.formula
        insert_or_ignore(
            self.connection,
            chemical_system_elements,
            [{"chemsys": formula.chemsys, "symbol": symbol} for symbol in formula.elements],
        )

    def lock(self, job_id: str) -> JobState:
        """Lock the job's row until the transaction ends, and return its state.

        Raises:
            NotFoundError: no such job.
        """
        state: JobState | None = self.connection.scalar(
            select(jobs.c.state).where(jobs.c.id == job_id).with_for_update()
        )
        if state is None:
            raise NotFoundError("job", job_id)
        return state

    def lock_of_chunk(self, chunk_id: str) -> StoredJob | None:
        """Lock the job of a chunk; None where there is no such chunk."""
        row = self.connection.execute(
            select(jobs.c.id, jobs.c.state, jobs.c.spec, jobs.c.created_at)
            .join(chunks, chunks.c.job_id == jobs.c.id)
            .where(chunks.c.id == chunk_id)
            .with_for_update(of=jobs)
        ).one_or_none()
        if row is None:
            return None
        return StoredJob(row.id, row.state, GenerationSpec.from_json(row.spec), row.created_at)

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
