"""Alembic, on a connection that is already there: the schema's revisions, up and down."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, func, select

from service.domain import SchemaError
from service.store.roles import grant_roles

MIGRATIONS: Final = Path(__file__).parent / "migrations"
_ADVISORY_LOCK: Final = 0x726D61746368  # "rmatch"


def make_config(connection: Connection) -> Config:
    """Alembic's configuration; ``migrations/env.py`` takes the connection from it."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config


def is_served(connection: Connection) -> bool:
    """Whether this version works on the schema: its own, or a newer one, to which it is about to be upgraded."""
    current, known = _read_current(connection), _list_revisions(connection)
    return current is not None and (current == known[-1] or current not in known)


def migrate(connection: Connection, revision: str | None = None) -> None:
    """Bring the schema to a revision, the newest unless given, up or down, within the connection's transaction.

    SQLite's write lock, which the transaction holds, and an advisory lock on PostgreSQL let in one process at a time.

    Raises:
        SchemaError: there is no such revision, or the schema is newer than this version knows.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(select(func.pg_advisory_xact_lock(_ADVISORY_LOCK)))
    change = command.downgrade if _revisions_above(connection, revision) else command.upgrade
    change(make_config(connection), revision or "head")
    if revision is None:
        grant_roles(connection)


def list_losses(connection: Connection, revision: str | None = None) -> list[str]:
    """What is lost on the way down to a revision, a sentence each; nothing is on the way up.

    Raises:
        SchemaError: as :func:`migrate`.
    """
    scripts = ScriptDirectory.from_config(make_config(connection))
    undone = (scripts.get_revision(name).module.downgrade for name in _revisions_above(connection, revision))
    return [str(downgrade.__doc__) for downgrade in undone]


def _revisions_above(connection: Connection, revision: str | None) -> list[str]:
    """The revisions to undo, newest first."""
    current, known = _read_current(connection), _list_revisions(connection)
    if current is not None and current not in known:
        raise SchemaError(
            f"The schema of the database, {current}, is newer than {known[-1]}, the last that this version knows. "
            f"Install the newer version, or go back with its `rmatch migrate --to {known[-1]}`."
        )
    if revision is not None and revision not in known:
        raise SchemaError(f"There is no schema {revision[:80]!r}. There are {', '.join(known)}.")
    if current is None or revision is None:
        return []
    return known[known.index(revision) + 1 : known.index(current) + 1][::-1]


def _read_current(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


def _list_revisions(connection: Connection) -> list[str]:
    """All revisions, oldest first."""
    scripts = ScriptDirectory.from_config(make_config(connection))
    return [script.revision for script in scripts.walk_revisions()][::-1]
