"""Checks of what the service stands on, which can be asked as often as one likes and never hang."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial
from typing import Final, Generic, TypeVar

from service.domain import StoreUnavailableError
from service.jobs import list_workers
from service.queue import ChunkQueue
from service.store import Store

_KEEP_SECONDS: Final = 1.0
_BROKER_SECONDS: Final = 0.6
_DATABASE_SECONDS: Final = 2.0

Answer = TypeVar("Answer")


class DatabaseState(StrEnum):
    """What may be said of the database."""

    READY = "ready"
    OUTDATED = "outdated"
    DOWN = "down"


@dataclass(frozen=True)
class DatabaseReport:
    """The state of the database, and the number of workers that were seen lately, where it tells."""

    state: DatabaseState
    fresh_workers: int | None = None


_DOWN: Final = DatabaseReport(DatabaseState.DOWN)


@dataclass(eq=False)
class BoundedCheck(Generic[Answer]):
    """A check made at most once a second, in a thread of its own, and waited for no longer than some seconds.

    A name server or a stopped server can keep a connection waiting for minutes. What has not ended is not begun again,
    so that one thread is all that it costs.
    """

    check: Callable[[], Answer]
    too_late: Answer
    wait_seconds: float
    keep_seconds: float = _KEEP_SECONDS
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _running: Future[Answer] | None = None
    _began: float = 0.0

    def __call__(self) -> Answer:
        """The answer, at most ``keep_seconds`` old; ``too_late`` where there is none in time."""
        try:
            return self._begin().result(self.wait_seconds)
        except TimeoutError:
            return self.too_late

    async def answer(self) -> Answer:
        """The same, without a thread that waits: there may be none free."""
        try:
            async with asyncio.timeout(self.wait_seconds):
                return await asyncio.shield(asyncio.wrap_future(self._begin()))
        except TimeoutError:
            return self.too_late

    def _begin(self) -> Future[Answer]:
        """The check that runs or was made lately, or else a new one."""
        with self._lock:
            if self._running is None or (self._running.done() and time.monotonic() - self._began > self.keep_seconds):
                self._running, self._began = Future(), time.monotonic()
                threading.Thread(target=self._run, args=(self._running,), name="probe", daemon=True).start()
            return self._running

    def _run(self, running: Future[Answer]) -> None:
        try:
            running.set_result(self.check())
        except BaseException as error:  # noqa: BLE001  raised again in the thread that asked
            running.set_exception(error)


@dataclass(frozen=True)
class Probes:
    """The checks of one app."""

    database: BoundedCheck[DatabaseReport]
    broker: BoundedCheck[bool]

    @classmethod
    def of(cls, store: Store, queue: ChunkQueue, heartbeat_seconds: float) -> Probes:
        """Checks of this database, with workers that report so often, and of this broker."""
        look = partial(_look_at_database, store, heartbeat_seconds)
        return cls(
            database=BoundedCheck(look, too_late=_DOWN, wait_seconds=_DATABASE_SECONDS),
            broker=BoundedCheck(queue.answers, too_late=False, wait_seconds=_BROKER_SECONDS),
        )


def _look_at_database(store: Store, heartbeat_seconds: float) -> DatabaseReport:
    try:
        if not store.is_migrated():
            return DatabaseReport(DatabaseState.OUTDATED)
        n_fresh = sum(report.is_fresh(heartbeat_seconds) for report in list_workers(store))
    except StoreUnavailableError:
        return _DOWN
    return DatabaseReport(DatabaseState.READY, n_fresh)
