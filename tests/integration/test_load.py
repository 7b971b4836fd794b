"""``make load`` in short: a real service answers everything that comes, and a queue costs nobody anything."""

from __future__ import annotations

import contextlib
import random
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import repeat

import pytest
from servers import HOST

from benchmarks import load, queued
from benchmarks.traffic import Call, drive
from benchmarks.users import SUBMIT, Users


@pytest.mark.timeout(600)
def test_a_service_under_load_answers_every_request() -> None:
    rows = list(load.run(minutes=0.2, n_structures=2_000, rate=20, n_workers=1))
    errors = [row for row in rows if row.name.startswith("errors")]
    assert len(errors) == 2
    for row in errors:  # a machine that stops for seconds has the API refuse some, politely; nothing else may happen
        assert row.value <= 10, row.note
        assert all('503 {"type": "urn:rmatch:problem:busy"' in each for each in row.note.split("; ") if each != "none")
    for kind in (SUBMIT, "GET /structures?hull=true", "GET /structures/{id} as CIF"):
        assert sum(row.name.strip() == kind for row in rows) == 2, "on servers, and embedded"
    made = [row.note for row in rows if row.name.startswith("requests")]
    assert all(" structures made meanwhile" in note for note in made), made


@pytest.mark.timeout(120)
def test_a_long_queue_is_compared_with_a_short_one() -> None:
    rows = list(queued.run(n_jobs=300, n_rounds=2))
    assert [row.goal for row in rows] == [1.5] * 6 + [None, None]
    assert all(row.value > 0 for row in rows)


@contextmanager
def serve_with_a_stall() -> Iterator[int]:
    """A server that takes half a second for the first request, and has no time for another meanwhile."""
    with socket.create_server((HOST, 0)) as server:
        asked = threading.Event()

        def answer(connection: socket.socket) -> None:
            with connection:
                while connection.recv(1000):
                    with lock:
                        time.sleep(0 if asked.is_set() else 0.5)
                        asked.set()
                    connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}")

        def accept() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = server.accept()
                    threading.Thread(target=answer, args=(connection,), daemon=True).start()

        lock = threading.Lock()
        threading.Thread(target=accept, daemon=True).start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)


def test_a_stall_shows_in_all_that_should_have_been_sent_meanwhile() -> None:
    call = Call("any", b"GET / HTTP/1.1\r\n\r\n", lambda status, _head, body: (status, body) == (200, b"{}"))
    with serve_with_a_stall() as port:
        traffic = drive(HOST, port, repeat(call), rate=100, seconds=1)
    latencies = traffic.latencies["any"]
    assert len(latencies) == 100
    assert not traffic.errors
    late = sorted(latencies, reverse=True)[:30]
    assert late[0] > 0.4, "the first"
    assert late[-1] > 0.1, "and those that came while it was at work, although each took no time by itself"


def test_a_wrong_answer_and_none_are_errors() -> None:
    with serve_with_a_stall() as port:
        wrong = drive(HOST, port, repeat(Call("a", b"GET / HTTP/1.1\r\n\r\n", lambda *_: False)), 10, 0.1)
    nobody = drive(HOST, port, repeat(Call("b", b"GET / HTTP/1.1\r\n\r\n", lambda *_: True)), 10, 0.1)
    assert (wrong.errors.total(), nobody.errors.total()) == (1, 1)


def test_a_key_that_gives_another_job_is_an_error() -> None:
    users = Users(jobs=["0" * 26], structures=["0" * 26 + "-00000"])
    first = users.draw(SUBMIT, random.Random(1))
    assert first.on_answer(202, b"HTTP/1.1 202 Accepted\r\nlocation: /jobs/" + b"1" * 26, b"")
    assert not first.on_answer(202, b"HTTP/1.1 202 Accepted\r\nlocation: /jobs/" + b"2" * 26, b"")
    assert not first.on_answer(503, b"HTTP/1.1 503 Busy", b"")
