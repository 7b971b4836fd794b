"""Connections: SQLite in WAL mode with one writer at a time, or PostgreSQL through psycopg 3."""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime
from functools import partial
from math import ceil
from pathlib import Path
from typing import Any, Final

import psycopg
from sqlalchemy import Connection, Engine, create_engine, event, func, make_url, select
from sqlalchemy.pool import ConnectionPoolEntry

from service.store.patience import KEEPALIVES, limit_waiting

_POOL_SIZE = 20
_OVERFLOW = 10
MAX_CONNECTIONS: Final = _POOL_SIZE + _OVERFLOW
"""Of a process, at most."""

_WAIT_SECONDS = 5.0
_SQLITE_BUSY_SECONDS = 30.0
_IDLE_SECONDS = 60.0
"""A session that has begun a transaction and says nothing for so long is ended: a process that was stopped in the
middle of one would keep its locks from all others."""


def make_engine(database_url: str, statement_seconds: float | None = None) -> Engine:
    """A pool of connections. The directory of an SQLite file is made where it is missing.

    Args:
        database_url: see :class:`service.settings.Settings`.
        statement_seconds: how long a statement may take on PostgreSQL, waiting for locks included, or wait for the lock
            on SQLite; no longer takes a connection. A PostgreSQL that says nothing at all is given up a second later.
    """
    url = make_url(database_url)
    wait_seconds = _WAIT_SECONDS if statement_seconds is None else min(_WAIT_SECONDS, statement_seconds)
    options: dict[str, Any] = {
        "pool_size": _POOL_SIZE,
        "max_overflow": _OVERFLOW,
        "pool_timeout": wait_seconds,
        "hide_parameters": True,  # errors are logged, and what clients sent is not
    }
    if url.get_backend_name() != "sqlite":
        connect_args = {"connect_timeout": ceil(wait_seconds), **KEEPALIVES}
        engine = create_engine(url, **options, pool_pre_ping=True, connect_args=connect_args)
        if statement_seconds is not None:
            limit_waiting(engine, statement_seconds + 1)
        event.listen(engine, "connect", partial(_configure_postgresql, statement_seconds or 0))
        return engine
    if url.database:
        Path(url.database).parent.mkdir(parents=True, exist_ok=True)
    # isolation_level None: the driver must not begin transactions of its own, see _begin
    engine = create_engine(url, **options, connect_args={"isolation_level": None})
    event.listen(engine, "connect", partial(_configure_sqlite, statement_seconds or _SQLITE_BUSY_SECONDS))
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def for_writing(engine: Engine) -> Engine:
    """The same pool, for transactions that will write.

    SQLite takes the write lock at the beginning: a reader that turns writer half-way fails at once where another has
    written in between, whatever the busy timeout.
    """
    return engine.execution_options(sqlite_begin="BEGIN IMMEDIATE")


def for_reading(engine: Engine) -> Engine:
    """The same pool, for statements that only read.

    On PostgreSQL each is a transaction of its own, which saves two round trips: as nothing above READ COMMITTED is
    asked for, it sees the same either way. On SQLite a transaction costs nothing, and sees one state of the database.
    """
    return engine if engine.dialect.name == "sqlite" else engine.execution_options(isolation_level="AUTOCOMMIT")


def read_clock(connection: Connection) -> datetime:
    """The time in UTC, by the database server's clock where there is one: leases do not depend on workers' clocks."""
    if connection.dialect.name == "sqlite":
        return datetime.now(UTC)
    now: datetime = connection.execute(select(func.clock_timestamp())).scalar_one()
    return now.astimezone(UTC)


def _configure_postgresql(
    statement_seconds: float, connection: psycopg.Connection[Any], _record: ConnectionPoolEntry
) -> None:
    """Let pages be planned for the values asked for: one plan for all reads half the table for a rare one.

    Compiling queries, which PostgreSQL begins where it expects them to be long, takes longer than any of ours.
    """
    options = {
        "plan_cache_mode": "force_custom_plan",
        "jit": "off",
        "statement_timeout": str(round(1000 * statement_seconds)),
        "idle_in_transaction_session_timeout": str(round(1000 * (statement_seconds or _IDLE_SECONDS))),
    }
    names = ", ".join("set_config(%s, %s, false)" for _ in options)
    connection.execute(f"SELECT {names}".encode(), [part for option in options.items() for part in option])
    connection.commit()


def _configure_sqlite(busy_seconds: float, connection: sqlite3.Connection, _record: ConnectionPoolEntry) -> None:
    connection.execute(f"PRAGMA busy_timeout = {round(1000 * busy_seconds)}")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute("PRAGMA foreign_keys = ON")


def _begin_sqlite(connection: Connection) -> None:
    options: dict[str, Any] = dict(connection.get_execution_options())
    connection.exec_driver_sql(options.get("sqlite_begin", "BEGIN"))
