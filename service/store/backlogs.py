"""What waits and runs, as submissions see it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, func, select

from service.domain.quotas import Backlog
from service.store.engine import read_clock
from service.store.tables import IS_DONE, IS_OPEN, jobs

_LOCKS: Final = 1
"""Tells these locks from others by number in the same database."""

_RECENT_JOBS: Final = 100


@dataclass(frozen=True)
class BacklogRepository:
    """Backlogs within one transaction."""

    connection: Connection

    def lock(self, key_id: str) -> None:
        """Let no other submission of the key count what waits before this transaction ends."""
        if self.connection.dialect.name != "sqlite":  # there one transaction writes at a time
            self.connection.execute(select(func.pg_advisory_xact_lock(_LOCKS, func.hashtext(key_id))))

    def of(self, key_id: str) -> tuple[Backlog, Backlog]:
        """The backlog of a key, and that of everybody, from one look at the open jobs."""
        is_own = jobs.c.key_id == key_id
        row = self.connection.execute(
            select(
                _total(func.sum(jobs.c.atom_steps).filter(is_own)),
                func.count().filter(is_own),
                _total(func.sum(jobs.c.atom_steps)),
                func.count(),
            ).where(IS_OPEN)
        ).one()
        own_work, n_own, work, n = map(int, row)
        return Backlog(atom_steps=own_work, jobs=n_own), Backlog(atom_steps=work, jobs=n)

    def pace(self) -> float | None:
        """Atom-steps a second of the jobs that ended last, until now; None before the first has."""
        recent = (
            select(jobs.c.atom_steps, jobs.c.finished_at)
            .where(IS_DONE)
            .order_by(jobs.c.finished_at.desc())
            .limit(_RECENT_JOBS)
            .subquery()
        )
        work, since = self.connection.execute(
            select(func.sum(recent.c.atom_steps), func.min(recent.c.finished_at))
        ).one()
        if not work:
            return None
        seconds: float = (read_clock(self.connection) - since).total_seconds()
        return float(work) / max(1.0, seconds)


def _total(sum_: ColumnElement[Any]) -> ColumnElement[Any]:
    return func.coalesce(sum_, 0)
