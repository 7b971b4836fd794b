"""An open loop of HTTP requests: each is sent at its time, however long those before it take.

So a stall of the server shows in the latencies of all that come meanwhile, which count from the time at which a request
was due. One thread, connections that stay open, and no more parsing than is needed: the generator shares the machine
with what it measures.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

TIMEOUT_SECONDS: Final = 30.0


@dataclass(frozen=True)
class Call:
    """A request.

    Attributes:
        kind: what it counts as.
        request: the bytes to send.
        on_answer: given status, head and body; False where the answer is not the right one.
    """

    kind: str
    request: bytes
    on_answer: Callable[[int, bytes, bytes], bool]


@dataclass
class Traffic:
    """What came of the calls.

    Attributes:
        latencies: seconds from when each was due, by kind.
        errors: how often each kind of failure came.
        lags: seconds by which the generator itself was late.
        seconds: from the first call to the last answer.
        cpu_seconds: of this process, meanwhile.
    """

    latencies: dict[str, list[float]] = field(default_factory=dict)
    errors: Counter[str] = field(default_factory=Counter)
    lags: list[float] = field(default_factory=list)
    seconds: float = 0.0
    cpu_seconds: float = 0.0

    @property
    def all_latencies(self) -> list[float]:
        """Those of every kind."""
        return [seconds for each in self.latencies.values() for seconds in each]

    def note(self, kind: str, seconds: float, error: str = "") -> None:
        """Count an answer, or what came instead of one."""
        self.latencies.setdefault(kind, []).append(seconds)
        if error:
            self.errors[f"{kind}: {error}"] += 1


def milliseconds(latencies: Sequence[float], *percentiles: float) -> list[float]:
    """Percentiles of seconds, in ms."""
    return [1000 * float(value) for value in np.percentile(latencies, percentiles)]


def drive(host: str, port: int, calls: Iterator[Call], rate: float, seconds: float) -> Traffic:
    """Send ``rate`` calls a second for some seconds and wait for the last answer."""
    return asyncio.run(_drive(_Connections(host, port), calls, rate, seconds))


async def _drive(connections: _Connections, calls: Iterator[Call], rate: float, seconds: float) -> Traffic:
    traffic = Traffic()
    began, cpu = time.perf_counter(), time.process_time()
    tasks: set[asyncio.Task[None]] = set()
    for number in range(round(rate * seconds)):
        due = began + number / rate
        await asyncio.sleep(due - time.perf_counter())
        task = asyncio.create_task(_make(connections, next(calls), due, traffic))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
    await asyncio.gather(*tasks)
    traffic.seconds, traffic.cpu_seconds = time.perf_counter() - began, time.process_time() - cpu
    connections.close()
    return traffic


async def _make(connections: _Connections, call: Call, due: float, traffic: Traffic) -> None:
    traffic.lags.append(time.perf_counter() - due)
    error = ""
    try:
        async with asyncio.timeout(TIMEOUT_SECONDS):
            status, head, body = await connections.ask(call.request)
        if not call.on_answer(status, head, body):
            error = f"{status} {body[:200].decode(errors='replace')}"
    except (OSError, TimeoutError) as failure:
        error = repr(failure)
    traffic.note(call.kind, time.perf_counter() - due, error)


class _Connection(asyncio.Protocol):
    """One request at a time, answered with a Content-Length."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport
        self._received = bytearray()
        self._answer: asyncio.Future[tuple[int, bytes, bytes]] | None = None
        self.is_open = True

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # of a stream
        self._transport = transport

    async def ask(self, request: bytes) -> tuple[int, bytes, bytes]:
        """Status, head and body."""
        self._received.clear()
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return await self._answer

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, separator, body = self._received.partition(b"\r\n\r\n")
        if not separator or self._answer is None or self._answer.done():
            return
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0] or 0)
        if len(body) >= length:
            self._answer.set_result((int(head[9:12]), bytes(head), bytes(body)))

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_open = False
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(exc or ConnectionResetError("closed without an answer"))

    def close(self) -> None:
        """End it."""
        self._transport.close()


class _Connections:
    """Connections that wait for a request; the last used is the first taken, so that few are kept open."""

    def __init__(self, host: str, port: int) -> None:
        self._address = (host, port)
        self._idle: list[_Connection] = []

    async def ask(self, request: bytes) -> tuple[int, bytes, bytes]:
        """Send a request; once more, on a new connection, where the server has just closed the one that was idle."""
        while self._idle:
            connection = self._idle.pop()
            if connection.is_open:
                try:
                    return await self._ask(connection, request)
                except ConnectionError:
                    break
        _, connection = await asyncio.get_running_loop().create_connection(_Connection, *self._address)
        return await self._ask(connection, request)

    async def _ask(self, connection: _Connection, request: bytes) -> tuple[int, bytes, bytes]:
        try:
            answer = await connection.ask(request)
        except BaseException:
            connection.close()
            raise
        self._idle.append(connection)
        return answer

    def close(self) -> None:
        """Close all of them."""
        for connection in self._idle:
            connection.close()
