"""Every test of the store runs on SQLite and on PostgreSQL."""

from databases import bare_database_url, database_url, store

__all__ = ["bare_database_url", "database_url", "store"]
