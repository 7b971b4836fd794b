"""Keeping a claim while its chunk runs, and noticing between two relaxation steps that it is time to stop."""

from __future__ import annotations

import signal
import threading
from types import TracebackType
from typing import Final, Self

import structlog

from service.domain import Claim, LeaseStatus, Progress, ServiceError
from service.jobs import renew_lease
from service.store import Store

_PROGRESS_SECONDS: Final = 1.0
"""Progress is stored this often, so that clients see it move; without any, a lease is renewed at a third of it."""

_log = structlog.get_logger(__name__)
_stop_requested = threading.Event()

STOP_SIGNAL: Final = signal.SIGURG
"""What a worker sends its child to make it leave a chunk. Ignored unless listened to; and for the usual ones the pool
installs handlers of its own."""


class ChunkStoppedError(Exception):
    """Root of the reasons to leave a chunk before its end."""


class LeaseLostError(ChunkStoppedError):
    """The chunk is no longer ours: its job was cancelled, or another worker has it."""


class StopRequestedError(ChunkStoppedError):
    """This worker was asked to stop; the chunk is to be given back."""


def listen_for_stop() -> None:
    """From now on :data:`STOP_SIGNAL` makes the chunk in work stop at its next relaxation step."""
    signal.signal(STOP_SIGNAL, lambda _number, _frame: _stop_requested.set())


def is_stopping() -> bool:
    """Whether this process was asked to stop."""
    return _stop_requested.is_set()


class Heartbeat:
    """Renews a lease in the background while its context lasts.

    A database that does not answer is no reason to stop: should the lease expire meanwhile, the attempt number keeps
    the result out.
    """

    def __init__(self, store: Store, claim: Claim, lease_seconds: float) -> None:
        self._store = store
        self._claim = claim
        self._lease_seconds = lease_seconds
        self._progress = Progress()
        self._status = LeaseStatus.HELD
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._keep_renewing, name="heartbeat", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()

    def beat(self, progress: Progress) -> None:
        """Note how far the chunk is.

        Raises:
            LeaseLostError: the chunk is no longer ours.
            StopRequestedError: this worker is to stop.
        """
        self._progress = progress
        self.check()

    def check(self) -> None:
        """Go on only if the chunk is still ours.

        Raises:
            LeaseLostError: the chunk is no longer ours.
            StopRequestedError: this worker is to stop.
        """
        if self._status is not LeaseStatus.HELD:
            raise LeaseLostError(f"Chunk {self._claim.chunk_id}, attempt {self._claim.attempt}: {self._status}.")
        if is_stopping():
            raise StopRequestedError(f"Chunk {self._claim.chunk_id} is given back: this worker stops.")

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
            _log.warning("lease_not_renewed", chunk=self._claim.chunk_id, error=str(error))
