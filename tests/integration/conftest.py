"""Every test of the store runs on SQLite and on PostgreSQL."""

from databases import database_url, store

__all__ = ["database_url", "store"]
