"""Alembic, on a connection that is already there."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, func, select

MIGRATIONS: Final = Path(__file__).parent / "migrations"
_ADVISORY_LOCK: Final = 0x726D61746368  # "rmatch"


def make_config(connection: Connection) -> Config:
    """Alembic's configuration; ``migrations/env.py`` takes the connection from it."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config


def is_newest(connection: Connection) -> bool:
    """Whether every migration has been run."""
    scripts = ScriptDirectory.from_config(make_config(connection))
    return set(MigrationContext.configure(connection).get_current_heads()) == set(scripts.get_heads())


def upgrade(connection: Connection) -> None:
    """Upgrade the schema within the connection's transaction.

    SQLite's write lock, which the transaction holds, and an advisory lock on PostgreSQL let in one process at a time.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(select(func.pg_advisory_xact_lock(_ADVISORY_LOCK)))
    command.upgrade(make_config(connection), "head")
