"""What is known of the worker processes."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from service.domain.workers import WorkerReport
from service.store import Store

_REMEMBERED: Final = timedelta(days=1)


def record_worker(store: Store, report: WorkerReport) -> None:
    """Keep how a worker process is, in place of what it said before."""
    with store.transaction() as tx:
        tx.workers.record(report)


def list_workers(store: Store) -> list[WorkerReport]:
    """The worker processes of the last day, those that were heard of last first."""
    with store.reading() as tx:
        return tx.workers.reports()


def forget_old_workers(store: Store) -> int:
    """Forget the processes that were not heard of for a day; how many there were."""
    with store.transaction() as tx:
        return tx.workers.forget(_REMEMBERED)
