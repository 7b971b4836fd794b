"""Jobs that are watched: read once for everybody who watches, and only where something has changed."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

import anyio
from anyio.to_thread import run_sync
from prometheus_client import Gauge

from service.domain import BusyError
from service.domain.views import JobPulse, JobView, StructureView
from service.store import Store

POLL_SECONDS: Final = 0.5
_THREADS: Final = 4
"""Streams wait for one another rather than take the threads that requests need."""


@dataclass
class JobFeed:
    """A job as it stands and its structures in the order in which they were recorded."""

    store: Store
    job_id: str
    group: str
    limiter: anyio.CapacityLimiter
    n_streams: int = 0
    _lock: anyio.Lock = field(default_factory=anyio.Lock)
    _read_at: float = -float("inf")
    _seen: tuple[JobPulse, JobView] | None = None

    async def read(self) -> JobView:
        """The job, at most half a second old.

        Raises:
            NotFoundError: the group has no such job.
            StoreUnavailableError: the database does not answer.
        """
        async with self._lock:
            if self._seen is None or time.monotonic() - self._read_at >= POLL_SECONDS:
                self._seen = await run_sync(self._look, limiter=self.limiter)
                self._read_at = time.monotonic()
            return self._seen[1]

    async def structures(self, start: int, stop: int) -> list[StructureView]:
        """Structures ``start`` to ``stop`` of the job in the order in which they were recorded.

        Raises:
            StoreUnavailableError: the database does not answer.
        """
        return await run_sync(self._load, start, stop - start, limiter=self.limiter)

    def _look(self) -> tuple[JobPulse, JobView]:
        with self.store.reading() as tx:
            pulse = tx.job_views.pulse(self.job_id, self.group)
            if self._seen is not None and self._seen[0] == pulse:
                return self._seen
            return pulse, tx.job_views.get(self.job_id, self.group)

    def _load(self, skip: int, limit: int) -> list[StructureView]:
        with self.store.reading() as tx:
            return tx.structure_views.recorded(self.job_id, skip, limit)


class JobFeeds:
    """The jobs that are watched now; all streams of a job share what is read of it."""

    def __init__(self, store: Store, max_streams: int, n_open: Gauge) -> None:
        self._store = store
        self._max_streams = max_streams
        self._n_open = n_open
        self._limiter = anyio.CapacityLimiter(_THREADS)
        self._feeds: dict[tuple[str, str], JobFeed] = {}

    @property
    def n_streams(self) -> int:
        """How many watch now."""
        return sum(feed.n_streams for feed in self._feeds.values())

    @contextmanager
    def join(self, job_id: str, group: str) -> Iterator[JobFeed]:
        """Watch a job while the context lasts.

        Raises:
            BusyError: too many watch already.
        """
        if self.n_streams >= self._max_streams:
            raise BusyError(f"{self._max_streams} streams of events are open already. Try again, or poll the job.")
        feed = self._feeds.setdefault((group, job_id), JobFeed(self._store, job_id, group, self._limiter))
        feed.n_streams += 1
        try:
            with self._n_open.track_inprogress():
                yield feed
        finally:
            feed.n_streams -= 1
            if feed.n_streams == 0:
                del self._feeds[group, job_id]
