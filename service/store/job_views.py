"""Jobs as users see them: with counts and progress."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, RowMapping, and_, case, exists, func, select

from service.domain import ChunkKind, ChunkState, JobState, NotFoundError
from service.domain.views import JobCounts, JobPulse, JobView, Page
from service.store.tables import chunks, failed_samples, jobs, matches, structures

_LARGEST_PROGRESS: Final = 0.99
"""Of a job that has not succeeded: the analysis is still to come."""

_samples_finished = case(
    (chunks.c.state == ChunkState.SUCCEEDED, chunks.c.stop - chunks.c.start), else_=chunks.c.n_finished
)
_generation = and_(chunks.c.job_id == jobs.c.id, chunks.c.kind == ChunkKind.GENERATE)
_n_structures = select(func.count()).select_from(structures).where(structures.c.job_id == jobs.c.id)

_COUNTS: Final[dict[str, ColumnElement[Any]]] = {
    "requested": jobs.c.n,
    "finished": select(func.sum(_samples_finished)).where(_generation).scalar_subquery(),
    "generated": _n_structures.scalar_subquery(),
    "converged": _n_structures.where(structures.c.converged).scalar_subquery(),
    "failed": select(func.count()).where(failed_samples.c.job_id == jobs.c.id).scalar_subquery(),
    "matched": _n_structures.where(exists().where(matches.c.structure_id == structures.c.id)).scalar_subquery(),
    "unique": case(
        (
            jobs.c.state == JobState.SUCCEEDED,
            _n_structures.where(structures.c.representative_id == structures.c.id).scalar_subquery(),
        )
    ),
}
_n_steps = select(func.coalesce(func.sum(chunks.c.n_steps), 0)).where(_generation, chunks.c.state == ChunkState.RUNNING)
_SELECT_VIEW: Final = select(
    *(jobs.c[name] for name in ("id", "state", "spec", "error", "created_at", "started_at", "finished_at")),
    _n_steps.scalar_subquery().label("n_steps"),
    *(count.label(name) for name, count in _COUNTS.items()),
)


_SELECT_PULSE: Final = (
    select(
        jobs.c.state,
        *(func.sum(chunks.c[name]) for name in ("attempt", "n_finished", "n_steps")),
        func.sum(case((chunks.c.state == ChunkState.SUCCEEDED, 1), else_=0)),
    )
    .join(chunks, chunks.c.job_id == jobs.c.id)
    .group_by(jobs.c.id)
)


@dataclass(frozen=True)
class JobViews:
    """Reads jobs within one transaction."""

    connection: Connection

    def get(self, job_id: str, group: str) -> JobView:
        """One job.

        Raises:
            NotFoundError: the group has no such job.
        """
        query = _SELECT_VIEW.where(jobs.c.id == job_id, jobs.c.group_name == group)
        row = self.connection.execute(query).mappings().one_or_none()
        if row is None:
            raise NotFoundError("job", job_id)
        return _view(row)

    def pulse(self, job_id: str, group: str) -> JobPulse:
        """What changes whenever the view of a job does, read off its chunks: for those who look again and again.

        Raises:
            NotFoundError: the group has no such job.
        """
        query = _SELECT_PULSE.where(jobs.c.id == job_id, jobs.c.group_name == group)
        row = self.connection.execute(query).one_or_none()
        if row is None:
            raise NotFoundError("job", job_id)
        return tuple(row)

    def list_newest(self, group: str, state: JobState | None, before: str | None, limit: int) -> Page[JobView]:
        """Jobs of a group, newest first, optionally of one state, beginning after the id ``before``."""
        query = _SELECT_VIEW.where(jobs.c.group_name == group).order_by(jobs.c.id.desc()).limit(limit + 1)
        if state is not None:
            query = query.where(jobs.c.state == state)
        if before is not None:
            query = query.where(jobs.c.id < before)
        rows = self.connection.execute(query).mappings().all()
        return Page([_view(row) for row in rows[:limit]], [rows[limit - 1]["id"]] if len(rows) > limit else None)


def _view(row: RowMapping) -> JobView:
    counts = JobCounts(**{name: row[name] for name in _COUNTS})
    is_done = row["state"] is JobState.SUCCEEDED
    progress = 1.0 if is_done else min(_LARGEST_PROGRESS, counts.finished / counts.requested)
    columns = {name: value for name, value in row.items() if name not in _COUNTS}
    return JobView(**columns, counts=counts, progress=progress)
