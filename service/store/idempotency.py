"""The idempotency_keys table."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import Connection, delete, select

from service.domain import KeyReusedError, RepeatableRequest
from service.store.engine import read_clock
from service.store.tables import idempotency_keys
from service.store.upsert import insert_or_ignore


@dataclass(frozen=True)
class IdempotencyRepository:
    """Idempotency keys within one transaction."""

    connection: Connection

    def bind(self, request: RepeatableRequest, job_id: str) -> str:
        """Bind a key to a job unless it is bound already; the id of the job it is bound to.

        Another transaction that binds the same key at the same time is waited for.

        Raises:
            KeyReusedError: it is bound to a job that another request asked for.
        """
        row = {
            "digest": request.digest,
            "fingerprint": request.fingerprint,
            "job_id": job_id,
            "created_at": read_clock(self.connection),
        }
        insert_or_ignore(self.connection, idempotency_keys, [row])
        known = self.connection.execute(
            select(idempotency_keys.c.fingerprint, idempotency_keys.c.job_id).where(
                idempotency_keys.c.digest == request.digest
            )
        ).one()
        if known.fingerprint != request.fingerprint:
            raise KeyReusedError(request.key, known.job_id)
        bound: str = known.job_id
        return bound

    def forget(self, age: timedelta) -> int:
        """Delete keys older than ``age``; returns how many there were."""
        too_old = idempotency_keys.c.created_at < read_clock(self.connection) - age
        return self.connection.execute(delete(idempotency_keys).where(too_old)).rowcount
