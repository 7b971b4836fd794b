"""What the parent does when its child dies in a chunk: it knows how, and sets the chunk free at once."""

from __future__ import annotations

from functools import cache
from typing import Any

import structlog
from billiard.einfo import ExceptionWithTraceback
from celery.exceptions import TimeLimitExceeded, WorkerLostError
from celery.worker.request import Request

from service.domain import StoreUnavailableError
from service.jobs import announce_due_chunks, find_claim, lose_chunk
from service.queue import ChunkQueue
from service.settings import Settings
from service.store import Store
from worker.causes import describe_death
from worker.presence import name_worker

_log = structlog.get_logger(__name__)


class ChunkRequest(Request):  # type: ignore[misc]  # celery has no types
    """A chunk that was given to a child; the ``Request`` of the task that runs chunks."""

    worker_pid: int | None

    def on_failure(self, exc_info: Any, *args: Any, **options: Any) -> None:  # noqa: ANN401  # Celery's own
        """Celery's, and where the child died or was killed for its time, the chunk is another's to try."""
        super().on_failure(exc_info, *args, **options)
        error = exc_info.exception
        if isinstance(error, ExceptionWithTraceback):
            error = error.exc
        if isinstance(error, WorkerLostError | TimeLimitExceeded) and self.worker_pid is not None:
            _survivor().free(self.args[0], self.worker_pid, error)


class Survivor:
    """Frees the chunks of children that died. In the parent, which otherwise has no use for a database."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._store = Store(settings.resolved_database_url)
        self._queue = ChunkQueue(settings)

    def free(self, chunk_id: str, pid: int, error: WorkerLostError | TimeLimitExceeded) -> None:
        """Count the attempt of the dead child as lost, with its cause; where that cannot be said, its lease expires."""
        settings, cause = self._settings, describe_death(error, self._settings.chunk_seconds)
        try:
            claim = find_claim(self._store, chunk_id, name_worker(pid))
            if claim is None or not lose_chunk(self._store, claim, cause, max_lost_attempts=settings.max_lost_attempts):
                return
            _log.warning("chunk_broke", job=claim.job_id, chunk=chunk_id, request_id=claim.request_id, cause=cause)
            announce_due_chunks(self._store, self._queue.announce, settings.reannounce_seconds, job_id=claim.job_id)
        except StoreUnavailableError as failure:
            _log.warning("database_unavailable", chunk=chunk_id, error=str(failure))


@cache
def _survivor() -> Survivor:
    return Survivor(Settings())
