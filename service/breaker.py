"""A circuit breaker: nobody waits for what has just failed to answer somebody else."""

from __future__ import annotations

import threading
import time


class Breaker:
    """Admits everybody while things work, and after a failure one at a time, until one of them succeeds.

    Whoever was admitted must :meth:`settle` it, whatever happens. Safe to share between threads.

    Args:
        pause_seconds: how long nobody is admitted after a second failure in a row; the first may be no more than a
            connection that has grown old.
    """

    def __init__(self, pause_seconds: float = 0.0) -> None:
        self._pause_seconds = pause_seconds
        self._lock = threading.Lock()
        self._is_open = False
        self._is_tried = False
        self._closed_until = 0.0

    def admits(self) -> bool:
        """Whether the caller may try."""
        with self._lock:
            if self._is_open and (self._is_tried or time.monotonic() < self._closed_until):
                return False
            self._is_tried = self._is_open
            return True

    def settle(self, *, worked: bool) -> None:
        """It worked, and everybody is admitted again; or it did not."""
        with self._lock:
            if self._is_open and not worked:
                self._closed_until = time.monotonic() + self._pause_seconds
            self._is_open, self._is_tried = not worked, False
