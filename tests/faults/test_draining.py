"""An API that is to stop says so first, and answers on while those who ask it find another."""

from __future__ import annotations

import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from processes import Running, run_rmatch
from servers import HOST, free_port, wait_until

DRAIN_SECONDS = 3


@pytest.fixture
def api(tmp_path: Path) -> Iterator[tuple[Running, httpx.Client]]:
    port = free_port()
    environment = {"RMATCH_DATA_DIR": str(tmp_path), "RMATCH_DRAIN_SECONDS": str(DRAIN_SECONDS)}
    with run_rmatch("api", "--port", str(port), environment=environment) as running:
        with httpx.Client(base_url=f"http://{HOST}:{port}", timeout=10) as client:
            wait_until(lambda: is_up(client), "the API answers")
            yield running, client


def is_up(client: httpx.Client) -> bool:
    try:
        return client.get("/readyz").is_success
    except httpx.TransportError:
        return False


def test_it_answers_on_and_wants_no_more(api: tuple[Running, httpx.Client]) -> None:
    running, client = api
    assert "connection" not in client.get("/models").headers
    running.process.send_signal(signal.SIGTERM)
    wait_until(lambda: client.get("/readyz").status_code == 503, "it is not ready any more")
    assert client.get("/readyz").json()["draining"]
    wait_until(lambda: client.get("/models").headers.get("connection") == "close", "connections are not kept")
    assert client.get("/models").status_code == 200
    assert client.get("/healthz").status_code == 200, "nobody is to kill it"
    assert running.process.wait(timeout=DRAIN_SECONDS + 20) == 0


def test_who_asks_twice_does_not_wait(api: tuple[Running, httpx.Client]) -> None:
    running, client = api
    running.process.send_signal(signal.SIGTERM)
    wait_until(lambda: client.get("/readyz").status_code == 503, "it drains")
    running.process.send_signal(signal.SIGTERM)
    running.process.wait(timeout=20)
    assert "Application shutdown complete" in running.output()


def test_a_head_without_end_is_refused(api: tuple[Running, httpx.Client]) -> None:
    _, client = api
    with socket.create_connection((HOST, client.base_url.port or 0), timeout=20) as connection:
        connection.sendall(b"GET /models HTTP/1.1\r\nX-Large: " + b"x" * 20_000)
        assert connection.recv(12) == b"HTTP/1.1 400"
