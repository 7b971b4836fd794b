"""How a worker stops: it takes nothing new, its child finishes what is nearly done, and gives back what is not.

All timing is the parent's. It tells the child once its time is over; the child notices at its next relaxation step.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from contextlib import suppress
from typing import Final

import structlog
from billiard.process import active_children
from celery.worker.state import reserved_requests

from service.settings import Settings
from worker.causes import ChunkStoppedError

STOP_SIGNAL: Final = signal.SIGURG
"""What a worker sends its child to make it leave a chunk. Ignored unless listened to; and for the usual ones the pool
installs handlers of its own."""

_TICK_SECONDS: Final = 0.1
_LAST_SECONDS: Final = 2
"""For the pool to notice that its child is dead and free its chunk. Then it may wait for ever for a lock that the child
held."""

_log = structlog.get_logger(__name__)
_stop_requested = threading.Event()


class StopRequestedError(ChunkStoppedError):
    """This worker was asked to stop; the chunk is to be given back."""


def listen_for_stop() -> None:
    """From now on :data:`STOP_SIGNAL` makes the chunk in work stop at its next relaxation step.

    SIGTERM is left to the parent: where a whole process group is told to stop, the child still has its time.
    """
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(STOP_SIGNAL, lambda _number, _frame: _stop_requested.set())


def check_stop() -> None:
    """Go on only if nobody asked to stop.

    Raises:
        StopRequestedError: somebody did.
    """
    if _stop_requested.is_set():
        raise StopRequestedError("This worker stops.")


class Shutdown:
    """Ends this worker: its child in its time, then at its next step, then both by force."""

    def __init__(self, settings: Settings) -> None:
        """Prepare it; ``soft_shutdown_seconds`` are for the chunk in work, ``chunk_kill_seconds`` to give it back."""
        self._settings = settings
        self._thread = threading.Thread(target=self._end_children, name="shutdown", daemon=True)
        self._is_urgent = False

    def request(self) -> None:
        """Begin, or, asked again, wait for no chunk any more. Signal handlers may call it."""
        if self._thread.ident is None:
            self._thread.start()
        else:
            self._is_urgent = True

    def _end_children(self) -> None:
        _log.info("worker_stopping")
        soft_end = time.monotonic() + self._settings.soft_shutdown_seconds
        while reserved_requests and not self._is_urgent and time.monotonic() < soft_end:
            time.sleep(_TICK_SECONDS)
        hard_end = time.monotonic() + self._settings.chunk_kill_seconds
        while time.monotonic() < hard_end:  # again and again: a child that is just starting does not listen yet
            _signal_children(STOP_SIGNAL)
            time.sleep(_TICK_SECONDS)
        _log.warning("worker_killed", after_seconds=self._settings.chunk_kill_seconds)
        _signal_children(signal.SIGKILL)
        time.sleep(_LAST_SECONDS)
        os._exit(os.EX_SOFTWARE)


def _signal_children(number: signal.Signals) -> None:
    for child in active_children():
        with suppress(ProcessLookupError):
            os.kill(child.pid, number)
