"""Room for reads: requests that write wait for one another, and not in the threads that reads need.

A write can be held up for seconds, by a broker that is slow or a row that is locked. Forty of them would take every
thread of the process; so a few work at a time, some more wait, which takes no thread, and the rest are told to come
again.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Annotated, Final

from fastapi import Depends, Request

from service.domain import BusyError

_PLACES: Final = 8
"""Of forty threads and thirty connections to the database."""

_MAX_WAITING: Final = 100
_WAIT_SECONDS: Final = 2.0


@dataclass
class Slots:
    """Places for requests that work at the same time.

    Attributes:
        places: how many there are.
        max_waiting: how many requests may wait for one.
        wait_seconds: how long they may.
    """

    places: int = _PLACES
    max_waiting: int = _MAX_WAITING
    wait_seconds: float = _WAIT_SECONDS
    n_waiting: int = 0
    _free: asyncio.Semaphore = field(init=False)

    def __post_init__(self) -> None:
        self._free = asyncio.Semaphore(self.places)

    @asynccontextmanager
    async def take(self) -> AsyncIterator[None]:
        """Have a place while the context lasts.

        Raises:
            BusyError: too many wait for one, or none became free in time.
        """
        await self._wait()
        try:
            yield
        finally:
            self._free.release()

    async def _wait(self) -> None:
        if self.n_waiting >= self.max_waiting:
            raise BusyError(f"{self.max_waiting} requests wait already to be worked on. Try again soon.")
        self.n_waiting += 1
        try:
            async with asyncio.timeout(self.wait_seconds):
                await self._free.acquire()
        except TimeoutError as error:
            raise BusyError("Other requests take too long. Try again soon.") from error
        finally:
            self.n_waiting -= 1


async def _take(request: Request) -> AsyncIterator[None]:
    slots: Slots = request.app.state.services.slots
    async with slots.take():
        yield


Slot = Annotated[None, Depends(_take, scope="function")]
"""Annotation of the last parameter of a route that writes: it has a place from when its other parameters are there
until its answer is."""
