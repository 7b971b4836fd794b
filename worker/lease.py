"""Keeping a claim while its chunk runs, and noticing between two relaxation steps that it is time to stop."""

from __future__ import annotations

import contextvars
import threading
import time
from types import TracebackType
from typing import Final, Self

import structlog

from service.domain import Claim, LeaseStatus, Progress, ServiceError
from service.jobs import renew_lease
from service.settings import Settings
from service.store import Store
from worker.causes import ChunkStoppedError
from worker.shutdown import check_stop

_PROGRESS_SECONDS: Final = 1.0
"""Progress is stored this often, so that clients see it move; without any, a lease is renewed at a third of it."""

_log = structlog.get_logger(__name__)


class LeaseLostError(ChunkStoppedError):
    """The chunk is no longer ours: another worker has it, or it is over. Nothing would be recorded."""


class JobCancelledError(LeaseLostError):
    """The chunk is no longer ours, because nobody wants its job any more."""


class ChunkTimeoutError(ChunkStoppedError):
    """The chunk takes longer than any may."""


class Heartbeat:
    """Renews a lease in the background while its context lasts.

    A database that does not answer is no reason to stop: should the lease expire meanwhile, the attempt number keeps
    the result out.
    """

    def __init__(self, store: Store, claim: Claim, settings: Settings) -> None:
        self._store = store
        self._claim = claim
        self._lease_seconds = settings.lease_seconds
        self._limit_seconds = settings.chunk_seconds
        self._began = time.monotonic()
        self._progress = Progress()
        self._status = LeaseStatus.HELD
        self._over = threading.Event()
        context = contextvars.copy_context()  # so that its log says which chunk
        self._thread = threading.Thread(target=lambda: context.run(self._keep_renewing), name="heartbeat", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()

    def beat(self, progress: Progress) -> None:
        """Note how far the chunk is, and :meth:`check`."""
        self._progress = progress
        self.check()

    def check(self) -> None:
        """Go on only if the chunk is still ours, in its time, and wanted of this worker.

        Raises:
            LeaseLostError: the chunk is no longer ours.
            StopRequestedError: this worker is to stop.
            ChunkTimeoutError: it takes too long.
        """
        if self._status is LeaseStatus.CANCELLED:
            raise JobCancelledError("The job was cancelled.")
        if self._status is LeaseStatus.LOST:
            raise LeaseLostError("Another worker has the chunk, or it is over.")
        check_stop()
        if time.monotonic() - self._began > self._limit_seconds:
            raise ChunkTimeoutError(f"time limit: it took longer than {self._limit_seconds:g} s")

    def _keep_renewing(self) -> None:
        stored, silence = self._progress, 0.0
        interval = min(_PROGRESS_SECONDS, self._lease_seconds / 3)
        while self._status is LeaseStatus.HELD and not self._over.wait(interval):
            silence += interval
            progress = self._progress
            if progress != stored or silence >= self._lease_seconds / 3:
                self._renew(progress)
                stored, silence = progress, 0.0

    def _renew(self, progress: Progress) -> None:
        try:
            self._status = renew_lease(self._store, self._claim, self._lease_seconds, progress)
        except ServiceError as error:
            _log.warning("lease_not_renewed", error=str(error))
