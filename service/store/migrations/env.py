"""Alembic runs this for every command; see :mod:`service.store.migration`."""

from __future__ import annotations

from alembic import context

from service.store.columns import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata, compare_type=True)
context.run_migrations()
