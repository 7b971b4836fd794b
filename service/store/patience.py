"""Connections to PostgreSQL that do not wait for ever for a server that has stopped to answer.

Time limits of the server end slow statements; they do nothing where the server itself hangs, or its machine is gone.
"""

from __future__ import annotations

from typing import Any, Final, TypeVar

import psycopg
from psycopg.abc import PQGen
from psycopg.pq import TransactionStatus
from sqlalchemy import Dialect, Engine, event
from sqlalchemy.pool import ConnectionPoolEntry

_POLL_SECONDS: Final = 0.1
_R = TypeVar("_R")

KEEPALIVES: Final = {"keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3, "tcp_user_timeout": 25_000}
"""The system gives up a machine that is gone after half a minute; by default it would take hours."""


class ImpatientConnection(psycopg.Connection[Any]):
    """A connection that closes itself when an answer takes longer than ``answer_seconds``."""

    answer_seconds: float | None = None

    def wait(self, gen: PQGen[_R], interval: float = _POLL_SECONDS, timeout: float | None = None) -> _R:
        """Wait for an answer.

        Raises:
            psycopg.OperationalError: the server has failed, or does not answer.
        """
        try:
            return super().wait(gen, interval=interval, timeout=timeout or self.answer_seconds)
        except psycopg.OperationalError:
            if self.pgconn.transaction_status == TransactionStatus.ACTIVE:
                self.close()  # the answer may still come, and would be taken for that to another question
            raise


def limit_waiting(engine: Engine, answer_seconds: float) -> None:
    """Let the engine make :class:`ImpatientConnection`."""

    def connect(
        _dialect: Dialect, _record: ConnectionPoolEntry, arguments: tuple[Any, ...], options: dict[str, Any]
    ) -> ImpatientConnection:
        connection = ImpatientConnection.connect(*arguments, **options)
        connection.answer_seconds = answer_seconds
        return connection

    event.listen(engine, "do_connect", connect)
