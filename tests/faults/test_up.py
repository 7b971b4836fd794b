"""``rmatch up``: one command, nothing to install; what dies is started again, and Ctrl-C ends it all."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from processes import Running, run_rmatch
from servers import HOST, children_of, free_port, wait_until

JOB = {"composition": "C", "n": 2, "formula_units": 2, "model": "diamond"}


@pytest.fixture
def up(tmp_path: Path) -> Iterator[tuple[Running, httpx.Client]]:
    port = free_port()
    with run_rmatch("up", "--port", str(port), "--data-dir", str(tmp_path), environment={}) as running:
        with httpx.Client(base_url=f"http://{HOST}:{port}", timeout=10) as client:
            wait_until(lambda: "curl" in running.output(), "the service is up")
            yield running, client


def commands_of(running: Running) -> dict[str, int]:
    """Process ids by command."""
    return {words[-1]: pid for pid, words in children_of(running.process.pid).items()}


def kill_with_descendants(pid: int) -> None:
    """All of them stopped first, so that none starts another meanwhile."""
    found = [pid]
    for parent in found:
        os.kill(parent, signal.SIGSTOP)
        found += [int(child) for child in Path(f"/proc/{parent}/task/{parent}/children").read_text().split()]
    for number in found:
        os.kill(number, signal.SIGKILL)


def run_job(client: httpx.Client) -> None:
    path = client.post("/generate", json=JOB).raise_for_status().headers["Location"]
    wait_for_success(client, path)


def wait_for_success(client: httpx.Client, path: str) -> None:
    wait_until(lambda: client.get(path).json()["state"] == "succeeded", "the job succeeds", 90)


@pytest.mark.timeout(180)
def test_the_service_survives_its_worker_and_ends_on_ctrl_c(up: tuple[Running, httpx.Client]) -> None:
    running, client = up
    run_job(client)
    children = commands_of(running)
    assert children.keys() == {"api", "worker", "sweep"}
    os.killpg(children["worker"], signal.SIGKILL)
    wait_until(lambda: "rmatch worker ended" in running.output(), "the death is noticed")
    run_job(client)
    children = commands_of(running)
    running.process.send_signal(signal.SIGINT)
    assert running.process.wait(timeout=60) == 0
    assert not [pid for pid in children.values() if Path(f"/proc/{pid}").exists()]


@pytest.mark.timeout(180)
def test_a_machine_that_fails_and_starts_again_finishes_the_job(tmp_path: Path) -> None:
    """Everything killed at once, without a word: what is left is the data directory."""
    job = {**JOB, "n": 160, "formula_units": 16, "fmax": 1e-5, "seed": 1}
    environment = {"RMATCH_LEASE_SECONDS": "3"}
    path = ""
    for is_last in (False, True):
        port = free_port()
        with (
            run_rmatch("up", "--port", str(port), "--data-dir", str(tmp_path), environment=environment) as running,
            httpx.Client(base_url=f"http://{HOST}:{port}", timeout=10) as client,
        ):
            wait_until(lambda: "curl" in running.output(), "the service is up")
            if is_last:
                wait_for_success(client, path)
                counts = client.get(path).json()["counts"]
                assert counts["generated"] + counts["failed"] == job["n"]
            else:
                path = client.post("/generate", json=job).raise_for_status().headers["Location"]
                wait_until(lambda: "chunk_started" in running.output(), "the job runs")
                kill_with_descendants(running.process.pid)


@pytest.mark.timeout(60)
def test_what_is_shown_to_try_works(up: tuple[Running, httpx.Client]) -> None:
    running, client = up
    shown = re.findall(r"curl -s '?(http://\S+?)'?(?:\s|$)", running.output())
    assert len(shown) == 4
    for url in shown:
        if not url.endswith("/generate"):
            assert client.get(url).is_success, url


def test_a_port_that_is_taken_is_said_so(up: tuple[Running, httpx.Client], tmp_path: Path) -> None:
    _, client = up
    port = str(client.base_url.port)
    with run_rmatch("up", "--port", port, "--data-dir", str(tmp_path / "other"), environment={}) as second:
        assert second.process.wait(timeout=30) == 2
        assert f"Port {port} on {HOST} is taken" in second.output()
