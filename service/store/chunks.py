"""The chunks table: every change is a compare-and-set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, and_, bindparam, case, func, or_, select, update

from service.domain import ChunkKind, ChunkState, Claim, Progress
from service.domain.ids import chunk_id_of
from service.domain.states import OPEN_CHUNK_STATES
from service.store.engine import read_clock
from service.store.tables import chunks

_MAX_DOUBLINGS: Final = 8
_NO_LEASE: Final[dict[str, Any]] = {"lease_expires_at": None, "due_at": None}
_NO_PROGRESS: Final = {"n_finished": 0, "n_steps": 0}
_TAKEN: Final = chunks.c["kind", "start", "stop", "attempt", "lost_attempts"]


@dataclass(frozen=True)
class TakenChunk:
    """A chunk in work: its samples, the number of the attempt, and how many before it came to nothing."""

    kind: ChunkKind
    start: int
    stop: int
    attempt: int
    lost_attempts: int


@dataclass(frozen=True)
class ChunkRepository:
    """Chunks within one transaction."""

    connection: Connection

    def add(self, job_id: str, ranges: Sequence[range], n_analysed: int = 0) -> None:
        """Store a queued chunk for each range and, where there is something to analyse, the analysis, waiting."""
        now = read_clock(self.connection)
        rows = [
            _row(job_id, k, ChunkKind.GENERATE, samples, state=ChunkState.QUEUED, due_at=now)
            for k, samples in enumerate(ranges)
        ]
        if n_analysed:
            waiting = {"state": ChunkState.WAITING, "due_at": None}
            rows.append(_row(job_id, len(rows), ChunkKind.ANALYSE, range(n_analysed), **waiting))
        self.connection.execute(chunks.insert(), rows)

    def state(self, chunk_id: str) -> ChunkState | None:
        """State of a chunk; None where there is none of that id."""
        return self.connection.scalar(select(chunks.c.state).where(chunks.c.id == chunk_id))

    def take(self, chunk_id: str, worker_name: str, lease_seconds: float, silence: str) -> TakenChunk | None:
        """Begin an attempt on a chunk that is queued or whose lease has expired; None for any other.

        An expired lease is an attempt that came to nothing, and ``silence`` its cause.
        """
        now = read_clock(self.connection)
        expires = now + timedelta(seconds=lease_seconds)
        is_expired = and_(chunks.c.state == ChunkState.RUNNING, chunks.c.lease_expires_at <= now)
        row = (
            self.connection.execute(
                update(chunks)
                .where(chunks.c.id == chunk_id, or_(chunks.c.state == ChunkState.QUEUED, is_expired))
                .values(
                    state=ChunkState.RUNNING,
                    attempt=chunks.c.attempt + 1,
                    lost_attempts=chunks.c.lost_attempts + case((is_expired, 1), else_=0),
                    cause=case((is_expired, silence), else_=chunks.c.cause),
                    announcements=0,
                    worker=worker_name,
                    lease_expires_at=expires,
                    due_at=expires,
                    **_NO_PROGRESS,
                )
                .returning(*_TAKEN)
            )
            .mappings()
            .one_or_none()
        )
        return None if row is None else TakenChunk(**row)

    def held(self, chunk_id: str, worker_name: str) -> TakenChunk | None:
        """What a worker has in work; None where it has not."""
        is_held = and_(chunks.c.id == chunk_id, chunks.c.worker == worker_name, chunks.c.state == ChunkState.RUNNING)
        row = self.connection.execute(select(*_TAKEN).where(is_held)).mappings().one_or_none()
        return None if row is None else TakenChunk(**row)

    def renew(self, claim: Claim, lease_seconds: float, progress: Progress) -> bool:
        """Extend the lease and store the progress; False when fenced off."""
        expires = read_clock(self.connection) + timedelta(seconds=lease_seconds)
        return self._update_claimed(
            claim,
            lease_expires_at=expires,
            due_at=expires,
            n_finished=progress.n_finished,
            n_steps=progress.n_steps,
        )

    def release(self, claim: Claim) -> bool:
        """Back to the queue, due at once; False when fenced off."""
        now = read_clock(self.connection)
        values = {"state": ChunkState.QUEUED, "lease_expires_at": None, "due_at": now} | _NO_PROGRESS
        return self._update_claimed(claim, **values)

    def is_held(self, claim: Claim) -> bool:
        """Whether the chunk runs under this claim."""
        return self.connection.scalar(select(chunks.c.id).where(_is_held(claim))) is not None

    def count_lost(self, claim: Claim, cause: str) -> int | None:
        """The claimed attempt came to nothing; how many have by now, None when fenced off."""
        statement = update(chunks).where(_is_held(claim)).returning(chunks.c.lost_attempts)
        n_lost: int | None = self.connection.scalar(
            statement.values(lost_attempts=chunks.c.lost_attempts + 1, cause=cause)
        )
        return n_lost

    def close(self, claim: Claim, state: ChunkState, error: str | None = None) -> bool:
        """End the claimed attempt in a terminal state; False when fenced off."""
        return self._update_claimed(claim, state=state, error=error, **_NO_LEASE)

    def cancel_open(self, job_id: str) -> None:
        """Cancel whatever of a job is not over; the running attempts learn of it at their next renewal."""
        is_open = and_(chunks.c.job_id == job_id, chunks.c.state.in_(OPEN_CHUNK_STATES))
        # locked in the order of ids, as in mark_announced: two that lock the same rows in different orders deadlock
        ids = select(chunks.c.id).where(is_open).order_by(chunks.c.id).with_for_update()
        self.connection.execute(
            update(chunks).where(chunks.c.id.in_(ids), is_open).values(state=ChunkState.CANCELLED, **_NO_LEASE)
        )

    def has_open_generation(self, job_id: str) -> bool:
        """Whether some samples of the job are still to come."""
        is_open = and_(
            chunks.c.job_id == job_id, chunks.c.kind == ChunkKind.GENERATE, chunks.c.state.in_(OPEN_CHUNK_STATES)
        )
        return self.connection.scalar(select(chunks.c.id).where(is_open).limit(1)) is not None

    def open_analysis(self, job_id: str) -> None:
        """Queue the job's analysis, which has waited for the generation."""
        self.connection.execute(
            update(chunks)
            .where(chunks.c.job_id == job_id, chunks.c.state == ChunkState.WAITING)
            .values(state=ChunkState.QUEUED, due_at=read_clock(self.connection))
        )

    def due(self, job_id: str | None, limit: int) -> list[str]:
        """Ids of chunks that need a message, longest due first."""
        is_due: list[ColumnElement[bool]] = [chunks.c.due_at <= read_clock(self.connection)]
        if job_id is not None:
            is_due.append(chunks.c.job_id == job_id)
        query = select(chunks.c.id).where(*is_due).order_by(chunks.c.due_at, chunks.c.id).limit(limit)
        return list(self.connection.scalars(query))

    def mark_announced(self, chunk_ids: Sequence[str], reannounce_seconds: float) -> None:
        """Due again after a wait that doubles each time; without that, a long queue would fill with repetitions."""
        now = read_clock(self.connection)
        is_due = chunks.c.due_at <= now  # not those that were taken, closed or given back meanwhile
        query = select(chunks.c.id, chunks.c.announcements).where(chunks.c.id.in_(chunk_ids), is_due)
        rows = [
            {
                "key": key,
                "times": n + 1,
                "due": now + timedelta(seconds=reannounce_seconds * 2 ** min(n, _MAX_DOUBLINGS)),
            }
            for key, n in self.connection.execute(query.order_by(chunks.c.id))
        ]
        if rows:
            statement = update(chunks).where(chunks.c.id == bindparam("key"), is_due)
            self.connection.execute(statement.values(announcements=bindparam("times"), due_at=bindparam("due")), rows)

    def forget_announcements(self) -> int:
        """Every queued chunk is due now, however often it was announced; returns how many were not."""
        now = read_clock(self.connection)
        is_waiting = and_(chunks.c.state == ChunkState.QUEUED, chunks.c.due_at > now)
        # in the order of ids, see cancel_open; those that somebody has locked are being taken
        ids = select(chunks.c.id).where(is_waiting).order_by(chunks.c.id).with_for_update(skip_locked=True)
        statement = update(chunks).where(chunks.c.id.in_(ids), is_waiting)
        return self.connection.execute(statement.values(due_at=now, announcements=0)).rowcount

    def seconds_until_due(self) -> float | None:
        """When the next chunk needs a message, negative where it should have had one; None while none will."""
        due: datetime | None = self.connection.scalar(select(func.min(chunks.c.due_at)))
        return None if due is None else (due - read_clock(self.connection)).total_seconds()

    def _update_claimed(self, claim: Claim, **values: object) -> bool:
        """Update the chunk while it runs under this claim."""
        return self.connection.execute(update(chunks).where(_is_held(claim)).values(values)).rowcount == 1


def _is_held(claim: Claim) -> ColumnElement[bool]:
    return and_(chunks.c.id == claim.chunk_id, chunks.c.attempt == claim.attempt, chunks.c.state == ChunkState.RUNNING)


def _row(job_id: str, ordinal: int, kind: ChunkKind, samples: range, **values: object) -> dict[str, Any]:
    row: dict[str, Any] = {"id": chunk_id_of(job_id, ordinal), "job_id": job_id, "kind": kind}
    return row | {"start": samples.start, "stop": samples.stop} | values
