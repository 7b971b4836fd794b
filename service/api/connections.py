"""Connections that wait for nobody for ever: uvicorn limits the time between requests, and no other."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

from uvicorn.protocols.http.h11_impl import H11Protocol


@dataclass
class _Clock:
    """Does something when it has run for some seconds without being stopped."""

    seconds: float
    ring: Callable[[], object]
    _timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Run; one that runs already goes on."""
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self.seconds, self.ring)

    def stop(self) -> None:
        """Stand still."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class LimitedConnection(H11Protocol):
    """uvicorn's HTTP/1.1 connection, dropped where the other side keeps it waiting.

    Attributes:
        head_seconds: how long the head of a request may take, from the opening of the connection or its first byte.
        read_seconds: how long an answer may take to be read, but for its last 64 KiB, which asyncio buffers unasked.
    """

    head_seconds: ClassVar[float] = 10.0
    read_seconds: ClassVar[float] = 60.0

    def __init__(self, *args: Any, **options: Any) -> None:  # noqa: ANN401  # those of uvicorn
        super().__init__(*args, **options)
        self._head = _Clock(self.head_seconds, self._drop)
        self._reading = _Clock(self.read_seconds, self._drop)

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in uvicorn
        """Wait for a request."""
        super().connection_made(transport)
        self._head.start()

    def data_received(self, data: bytes) -> None:
        """Take what has come; the clock stands still from the end of a head to the end of the answer."""
        super().data_received(data)
        if self.cycle is not None and not self.cycle.response_complete:
            self._head.stop()
        else:
            self._head.start()

    def pause_writing(self) -> None:
        """The client does not read, and the answer fills the memory."""
        super().pause_writing()
        self._reading.start()

    def resume_writing(self) -> None:
        """The client has read."""
        super().resume_writing()
        self._reading.stop()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        super().connection_lost(exc)
        self._head.stop()
        self._reading.stop()

    def _drop(self) -> None:
        self.transport.abort()
