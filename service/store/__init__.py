"""The SQL database: the one place that knows SQL."""

from service.store.store import Store, Transaction

__all__ = ["Store", "Transaction"]
