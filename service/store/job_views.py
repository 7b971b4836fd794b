"""Jobs as users see them: with counts and progress."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, RowMapping, Select, case, distinct, func, select

from service.domain import ChunkKind, ChunkState, JobState, NotFoundError
from service.domain.views import JobCounts, JobView, Page
from service.store.tables import chunks, failed_samples, jobs, matches, structures

_LARGEST_PROGRESS: Final = 0.99
"""Of a job that has not succeeded: the analysis is still to come."""


@dataclass(frozen=True)
class JobViews:
    """Reads jobs within one transaction."""

    connection: Connection

    def get(self, job_id: str) -> JobView:
        """One job.

        Raises:
            NotFoundError: no such job.
        """
        rows = self.connection.execute(select(jobs).where(jobs.c.id == job_id)).mappings().all()
        if not rows:
            raise NotFoundError("job", job_id)
        return self._views(rows)[0]

    def list_newest(self, state: JobState | None, before: str | None, limit: int) -> Page[JobView]:
        """Jobs, newest first, optionally of one state, beginning after the id ``before``."""
        query = select(jobs).order_by(jobs.c.id.desc()).limit(limit + 1)
        if state is not None:
            query = query.where(jobs.c.state == state)
        if before is not None:
            query = query.where(jobs.c.id < before)
        rows = self.connection.execute(query).mappings().all()
        return Page(self._views(rows[:limit]), [rows[limit - 1]["id"]] if len(rows) > limit else None)

    def queue_depth(self) -> dict[str, int]:
        """Number of chunks that wait for a worker, and of those that run."""
        query = select(chunks.c.state, func.count()).where(chunks.c.due_at.is_not(None)).group_by(chunks.c.state)
        depth = {ChunkState.QUEUED.value: 0, ChunkState.RUNNING.value: 0}
        return depth | {state.value: count for state, count in self.connection.execute(query)}

    def _views(self, rows: Sequence[RowMapping]) -> list[JobView]:
        ids = [row["id"] for row in rows]
        finished = self._by_job(_count_finished(ids))
        stored = self._by_job(_count_structures(ids))
        failed = self._by_job(_count_failed(ids))
        matched = self._by_job(_count_matched(ids))
        return [
            _view(
                row,
                finished=finished.get(row["id"], (0,)),
                stored=stored.get(row["id"], (0, 0, None)),
                failed=failed.get(row["id"], (0,)),
                matched=matched.get(row["id"], (0,)),
            )
            for row in rows
        ]

    def _by_job(self, query: Select[Any]) -> dict[str, tuple[Any, ...]]:
        return {job_id: tuple(values) for job_id, *values in self.connection.execute(query)}


def _view(
    row: RowMapping,
    *,
    finished: tuple[Any, ...],
    stored: tuple[Any, ...],
    failed: tuple[Any, ...],
    matched: tuple[Any, ...],
) -> JobView:
    generated, converged, unique = stored
    counts = JobCounts(
        requested=row["n"],
        finished=finished[0],
        generated=generated,
        converged=converged,
        failed=failed[0],
        matched=matched[0],
        unique=unique,
    )
    is_done = row["state"] is JobState.SUCCEEDED
    progress = 1.0 if is_done else min(_LARGEST_PROGRESS, counts.finished / counts.requested)
    columns = {name: value for name, value in row.items() if name != "n"}
    return JobView(**columns, counts=counts, progress=progress)


def _count_finished(ids: Sequence[str]) -> Select[Any]:
    samples = case((chunks.c.state == ChunkState.SUCCEEDED, chunks.c.stop - chunks.c.start), else_=chunks.c.n_finished)
    is_counted = chunks.c.job_id.in_(ids) & (chunks.c.kind == ChunkKind.GENERATE)
    return select(chunks.c.job_id, func.sum(samples)).where(is_counted).group_by(chunks.c.job_id)


def _count_structures(ids: Sequence[str]) -> Select[Any]:
    columns = structures.c
    is_unique = case((columns.representative_id == columns.id, 1), (columns.representative_id.is_not(None), 0))
    converged = func.sum(case((columns.converged, 1), else_=0))
    query = select(columns.job_id, func.count(), converged, func.sum(is_unique))
    return query.where(columns.job_id.in_(ids)).group_by(columns.job_id)


def _count_failed(ids: Sequence[str]) -> Select[Any]:
    columns = failed_samples.c
    return select(columns.job_id, func.count()).where(columns.job_id.in_(ids)).group_by(columns.job_id)


def _count_matched(ids: Sequence[str]) -> Select[Any]:
    query = select(structures.c.job_id, func.count(distinct(structures.c.id))).join(matches)
    return query.where(structures.c.job_id.in_(ids)).group_by(structures.c.job_id)
