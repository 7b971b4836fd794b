"""The queue as operators see it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, and_, case, func, select

from service.domain import ChunkKind, ChunkState, JobState
from service.domain.depth import QueueDepth
from service.store.engine import read_clock
from service.store.tables import IS_OPEN, chunks, jobs


@dataclass(frozen=True)
class QueueViews:
    """Reads the queue within one transaction."""

    connection: Connection

    def depth(self) -> QueueDepth:
        """How much waits and runs, in three queries that read no more than that."""
        by_job_state = select(jobs.c.state, func.count(), func.sum(jobs.c.atom_steps)).where(IS_OPEN)
        n_jobs = {JobState.QUEUED: 0, JobState.RUNNING: 0}
        atom_steps = dict(n_jobs)
        for state, n, steps in self.connection.execute(by_job_state.group_by(jobs.c.state)):
            n_jobs[state], atom_steps[state] = n, int(steps)
        waits = and_(chunks.c.state == ChunkState.QUEUED, chunks.c.kind == ChunkKind.GENERATE)
        by_chunk_state = select(chunks.c.state, func.count(), func.min(case((waits, chunks.c.job_id))))
        n_chunks = {ChunkState.QUEUED: 0, ChunkState.RUNNING: 0}
        oldest: str | None = None
        for state, n, job_id in self.connection.execute(
            by_chunk_state.where(chunks.c.due_at.is_not(None)).group_by(chunks.c.state)
        ):
            n_chunks[state] = n
            oldest = job_id or oldest
        return QueueDepth(jobs=n_jobs, atom_steps=atom_steps, chunks=n_chunks, oldest_seconds=self._age(oldest))

    def _age(self, job_id: str | None) -> float:
        if job_id is None:
            return 0.0
        created_at: datetime = self.connection.execute(
            select(jobs.c.created_at).where(jobs.c.id == job_id)
        ).scalar_one()
        return max(0.0, (read_clock(self.connection) - created_at).total_seconds())
