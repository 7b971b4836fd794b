"""Clients that take their time: each loses its own connection in the end, and nobody else waits for it."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import cycle
from pathlib import Path

import httpx
import pytest
import uvicorn
from servers import HOST, free_port, wait_until

from service.api.connections import LimitedConnection
from service.main import create_app
from service.settings import Settings

N_SLOW = 200
JOB = {"composition": "LiS2", "n": 2}
POST_HEAD = (
    b"POST /generate HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 500\r\n\r\n"
)


class HastyConnection(LimitedConnection):
    """With less patience than tests have."""

    head_seconds = 0.5
    read_seconds = 0.5


class PatientConnection(LimitedConnection):
    """With more patience than a busy machine needs for a test."""

    head_seconds = 100.0


@contextmanager
def serve(settings: Settings, http: type[LimitedConnection]) -> Iterator[tuple[int, uvicorn.Server]]:
    """The app on a port of its own, in a thread."""
    port = free_port()
    app = create_app(settings)

    @app.get("/large/{length}")
    def answer_at_length(length: int) -> str:
        return "x" * length

    @app.get("/late")
    def answer_late() -> str:
        time.sleep(3 * HastyConnection.head_seconds)
        return "late"

    options = {"http": http, "ws": "none", "log_level": "error", "timeout_graceful_shutdown": 0}
    server = uvicorn.Server(uvicorn.Config(app, host=HOST, port=port, **options))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        wait_until(lambda: server.started, "the server starts")
        yield port, server
    finally:
        server.should_exit = True
        thread.join()


@contextmanager
def connect(port: int, first: bytes = b"") -> Iterator[socket.socket]:
    """A connection with a small buffer for what it is sent."""
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.settimeout(20)
        client.connect((HOST, port))
        client.sendall(first)
        yield client


def drip(client: socket.socket) -> None:
    """A line of the head now and then."""
    for _ in range(200):
        client.sendall(b"X-Slow: 1\r\n")
        time.sleep(0.1)


def read_to_end(client: socket.socket) -> bytes:
    """What the server says before it closes the connection; a reset is an end as well."""
    received = b""
    with contextlib.suppress(ConnectionResetError):
        while more := client.recv(65536):
            received += more
    return received


@pytest.fixture(scope="module")
def hasty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, uvicorn.Server]]:
    with serve(Settings(data_dir=tmp_path_factory.mktemp("hasty"), body_seconds=0.5), HastyConnection) as served:
        yield served


@pytest.mark.parametrize("first", [b"", b"GET /mod", b"GET /models HTTP/1.1\r\nHost: localhost\r\nX-Slow: "])
def test_a_head_that_does_not_come_ends_the_connection(hasty: tuple[int, uvicorn.Server], first: bytes) -> None:
    with connect(hasty[0], first) as client:
        assert read_to_end(client) == b""


def test_a_second_head_has_no_more_time_than_the_first(hasty: tuple[int, uvicorn.Server]) -> None:
    with connect(hasty[0], b"GET /models HTTP/1.1\r\nHost: localhost\r\n\r\n") as client:
        assert client.recv(15) == b"HTTP/1.1 200 OK"
        client.sendall(b"GET /mod")
        answer = read_to_end(client)
        assert b"HTTP/1.1" not in answer


def test_a_head_in_drops_is_no_excuse(hasty: tuple[int, uvicorn.Server]) -> None:
    with connect(hasty[0], b"GET /models HTTP/1.1\r\n") as client, pytest.raises(ConnectionError):
        drip(client)


def test_a_body_that_does_not_come_is_refused(hasty: tuple[int, uvicorn.Server]) -> None:
    with connect(hasty[0], POST_HEAD + b'{"composition"') as client:
        head, _, body = read_to_end(client).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 408")
    assert b"connection: close" in head.lower()
    assert b'"code": "body_too_slow"' in body


def test_an_answer_that_nobody_reads_is_thrown_away(hasty: tuple[int, uvicorn.Server]) -> None:
    port, server = hasty
    with connect(port, b"GET /large/8000000 HTTP/1.1\r\nHost: localhost\r\n\r\n") as client:
        assert client.recv(15) == b"HTTP/1.1 200 OK"
        wait_until(lambda: not server.server_state.connections, "the connection is dropped")
        assert len(read_to_end(client)) < 8_000_000


def test_work_that_takes_a_while_is_waited_for(hasty: tuple[int, uvicorn.Server]) -> None:
    """The limits are on clients: none of them ends a connection while we are the ones who work."""
    with connect(hasty[0], b"GET /late HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n") as client:
        assert read_to_end(client).endswith(b'"late"')


def slow_starts(job_path: str) -> list[bytes]:
    """What slow clients begin with: nothing, half a head, half a body, and what they then do not read."""
    end = b" HTTP/1.1\r\nHost: localhost\r\n\r\n"
    return [
        b"",
        b"GET /jobs HTTP/1.1\r\nX-Slow",
        POST_HEAD + b'{"composition": ',
        b"GET /large/5000000" + end,
        f"GET {job_path}/events".encode() + end,
    ]


@pytest.mark.timeout(120)
def test_two_hundred_slow_clients_do_no_harm(tmp_path: Path) -> None:
    """Beside them the same requests are answered, about as fast; all kinds of slowness at once."""
    with serve(Settings(data_dir=tmp_path), PatientConnection) as (port, server), ExitStack() as stack:
        client = stack.enter_context(httpx.Client(base_url=f"http://{HOST}:{port}", timeout=20))
        job = client.post("/generate", json=JOB).raise_for_status()
        alone = time_requests(client)
        for _, start in zip(range(N_SLOW), cycle(slow_starts(job.headers["Location"])), strict=False):
            stack.enter_context(connect(port, start))
        wait_until(lambda: len(server.server_state.connections) > N_SLOW, "all are connected")
        beside = time_requests(client)
        assert len(server.server_state.connections) > N_SLOW, "they are still there"
    assert sorted(beside)[-5] < 20 * sorted(alone)[-5], "no stall"


def time_requests(client: httpx.Client) -> list[float]:
    """Seconds of requests that read and of ones that write; every one of them succeeds."""
    found = []
    for k in range(60):
        begin = time.perf_counter()
        if k % 10:
            client.get("/jobs").raise_for_status()
        else:
            client.post("/generate", json=JOB).raise_for_status()
        found.append(time.perf_counter() - begin)
    return found
