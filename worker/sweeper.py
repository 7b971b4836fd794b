"""Announces again what the queue forgot: chunks that nobody took, and those whose worker fell silent."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Final

import structlog

from service.domain import StoreUnavailableError
from service.jobs import (
    announce_due_chunks,
    forget_announcements,
    forget_old_keys,
    forget_old_workers,
    seconds_until_due,
)
from service.logs import configure_logging
from service.queue import ChunkQueue
from service.settings import Settings
from service.store import Store

_SHORTEST_SECONDS: Final = 0.5
"""Between two sweeps, also while chunks are due that the broker does not take."""

_log = structlog.get_logger(__name__)


def sweep(store: Store, queue: ChunkQueue, settings: Settings) -> int:
    """Announce every chunk that is due, and forget old idempotency keys and workers; returns how many chunks the broker
    took.

    Where the queue is empty, all that wait for a worker are due: the broker has lost its messages, or a worker has
    taken one and could not reach the database.

    Raises:
        StoreUnavailableError: the database does not answer.
    """
    if queue.is_empty() and (n_lost := forget_announcements(store)):
        _log.warning("messages_lost", count=n_lost)
    n_announced = announce_due_chunks(store, queue.announce, settings.reannounce_seconds)
    if n_announced:
        _log.info("chunks_announced", count=n_announced)
    forget_old_keys(store, timedelta(hours=settings.idempotency_hours))
    forget_old_workers(store)
    return n_announced


def run_sweeper(settings: Settings, stopped: threading.Event) -> None:
    """Sweep until the event is set, at least once: when the next chunk is due, e.g. since a lease expires, and every
    ``settings.sweep_seconds``. Outages are waited out. Several may run at once.
    """
    longest = min(settings.sweep_seconds, settings.lease_seconds)  # so that no lease begins and expires unseen
    configure_logging(settings.log_format)
    store, queue = Store(settings.resolved_database_url), ChunkQueue(settings)
    try:
        while True:
            pause = longest
            try:
                sweep(store, queue, settings)
                due = seconds_until_due(store)
                pause = pause if due is None else min(pause, max(due, _SHORTEST_SECONDS))
            except StoreUnavailableError as error:
                _log.warning("database_unavailable", error=str(error))
            if stopped.wait(pause):
                return
    finally:
        queue.close()
        store.close()
