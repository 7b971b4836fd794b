"""What a worker process has done since it started: counted while it works, read by the thread that reports it."""

from __future__ import annotations

import threading
import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import Any, Final

from service.domain import ChunkKind, Claim

_BOUNDS_SECONDS: Final = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1000.0, 3000.0)


class Outcome(StrEnum):
    """How an attempt ended."""

    RECORDED = "recorded"
    LEFT = "left"
    """Its job was cancelled."""

    GIVEN_BACK = "given_back"
    """The worker was to stop, the database did not answer, or a training has had its turn: no fault of the chunk."""

    FAILED = "failed"
    """No attempt would ever succeed."""

    BROKE = "broke"
    """Another attempt may succeed."""

    FENCED = "fenced"
    """It came too late: the chunk was somebody else's, or over."""


class Tally:
    """The counters of a process; safe to read from other threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._outcomes: Counter[Outcome] = Counter()
        self._samples: Counter[str] = Counter()
        self._durations = {kind: _Durations() for kind in ChunkKind}
        self._running: tuple[str, float] | None = None

    @contextmanager
    def running(self, claim: Claim) -> Iterator[None]:
        """An attempt, while the context lasts."""
        began = time.monotonic()
        with self._lock:
            self._running = (claim.chunk_id, began)
        try:
            yield
        finally:
            with self._lock:
                self._running = None
                self._durations[claim.kind].add(time.monotonic() - began)

    def count(self, outcome: Outcome) -> None:
        """An attempt is over."""
        with self._lock:
            self._outcomes[outcome] += 1

    def count_samples(self, n_structures: int, n_failed: int) -> None:
        """Structures and failed samples were recorded."""
        with self._lock:
            self._samples.update(structures=n_structures, samples_failed=n_failed)

    @property
    def chunk_id(self) -> str | None:
        """The chunk in work."""
        running = self._running
        return None if running is None else running[0]

    def snapshot(self) -> dict[str, Any]:
        """Attempts by outcome, structures, failed samples, seconds at work, and how long attempts took: a cumulative
        histogram for each kind of chunk.
        """
        with self._lock:
            now = 0.0 if self._running is None else time.monotonic() - self._running[1]
            return {
                "attempts": {outcome.value: self._outcomes[outcome] for outcome in Outcome},
                "structures": self._samples["structures"],
                "samples_failed": self._samples["samples_failed"],
                "busy_seconds": now + sum(durations.total for durations in self._durations.values()),
                "chunk_seconds": {kind.value: durations.snapshot() for kind, durations in self._durations.items()},
            }


class _Durations:
    """A histogram of times in seconds."""

    def __init__(self) -> None:
        self._counts = [0] * (len(_BOUNDS_SECONDS) + 1)
        self.total = 0.0

    def add(self, seconds: float) -> None:
        self._counts[bisect_left(_BOUNDS_SECONDS, seconds)] += 1
        self.total += seconds

    def snapshot(self) -> dict[str, Any]:
        buckets = [[bound, sum(self._counts[: k + 1])] for k, bound in enumerate(_BOUNDS_SECONDS)]
        return {"buckets": buckets, "sum": self.total, "count": sum(self._counts)}
