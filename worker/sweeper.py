"""Announces again what the queue forgot: chunks that nobody took, and those whose worker fell silent."""

from __future__ import annotations

import threading
from datetime import timedelta

import structlog

from service.domain import StoreUnavailableError
from service.jobs import announce_due_chunks, forget_old_keys
from service.logs import configure_logging
from service.queue import ChunkQueue
from service.settings import Settings
from service.store import Store

_log = structlog.get_logger(__name__)


def sweep(store: Store, queue: ChunkQueue, settings: Settings) -> int:
    """Announce every chunk that is due, and forget idempotency keys that are too old; returns how many chunks the
    broker took.

    Raises:
        StoreUnavailableError: the database does not answer.
    """
    n_announced = announce_due_chunks(store, queue.announce, settings.reannounce_seconds)
    if n_announced:
        _log.info("chunks_announced", count=n_announced)
    forget_old_keys(store, timedelta(hours=settings.idempotency_hours))
    return n_announced


def run_sweeper(settings: Settings, stopped: threading.Event) -> None:
    """Sweep every ``settings.sweep_seconds`` until the event is set, at least once; outages are waited out."""
    configure_logging(settings.log_format)
    store, queue = Store(settings.resolved_database_url), ChunkQueue(settings)
    try:
        while True:
            try:
                sweep(store, queue, settings)
            except StoreUnavailableError as error:
                _log.warning("database_unavailable", error=str(error))
            if stopped.wait(settings.sweep_seconds):
                return
    finally:
        queue.close()
        store.close()
