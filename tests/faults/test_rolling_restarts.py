"""Processes are stopped and started one after the other, as for a new version, under load; no client notices."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import pytest
from servers import wait_until
from storm.snapshot import Snapshot, read_snapshot
from storm.supervisor import Role, Supervisor, run_service

PROBE_SECONDS = 0.2
DRAIN_SECONDS = 5.0
SPEC = {"composition": "C", "n": 2, "formula_units": 4, "model": "diamond", "starts": {"random": 1}, "match": False}


class Balancer:
    """Sends each request to the next API that was ready when last asked, as the service of an orchestrator does."""

    def __init__(self, service: Supervisor, http: httpx.Client) -> None:
        self._http = http
        self._headers = service.headers
        self._urls = service.urls
        self._ready = list(service.urls)
        self._turn = count()

    def call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """The answer to a call that is made once.

        Raises:
            httpx.HTTPError: it failed.
        """
        ready = self._ready
        url = ready[next(self._turn) % len(ready)] + path
        return self._http.request(method, url, json=body, headers=self._headers).raise_for_status().json()

    def keep_probing(self, stopped: threading.Event) -> None:
        """Ask all APIs whether they are ready, until told to stop."""
        while not stopped.wait(PROBE_SECONDS):
            self._ready = [url for url in self._urls if self.is_ready(url)]

    def has_all(self) -> bool:
        """Whether all APIs get requests."""
        return len(self._ready) == len(self._urls)

    def is_ready(self, url: str) -> bool:
        """Whether it wants requests."""
        try:
            return self._http.get(f"{url}/readyz", headers={"Connection": "close"}).is_success
        except httpx.TransportError:
            return False


@contextmanager
def load(balancer: Balancer) -> Iterator[list[str]]:
    """Two who submit and read while the context lasts; a failed call fails the test at its end. Gives the jobs."""
    stopped = threading.Event()
    jobs: list[str] = []
    failures: list[str] = []

    def submit() -> None:
        jobs.append(balancer.call("POST", "/generate", SPEC)["id"])

    def read() -> None:
        balancer.call("GET", "/jobs")
        if jobs:
            balancer.call("GET", f"/jobs/{jobs[-1]}")

    def repeat(call: Callable[[], None], seconds: float) -> None:
        while not stopped.wait(seconds):
            try:
                call()
            except httpx.HTTPError as error:
                failures.append(repr(error))

    threads = [threading.Thread(target=balancer.keep_probing, args=(stopped,))]
    threads += [threading.Thread(target=repeat, args=work) for work in ((submit, 0.25), (read, 0.02))]
    for thread in threads:
        thread.start()
    try:
        yield jobs
    finally:
        stopped.set()
        for thread in threads:
            thread.join()
    assert failures == []


def restart(role: Role, is_back: Callable[[], object]) -> None:
    """Ask a process to stop; the supervisor starts another."""
    n_starts = role.n_starts
    role.send(signal.SIGTERM)
    wait_until(lambda: role.n_starts > n_starts and is_back(), f"{role.log.stem} is back")


def all_are_over(snapshot: Snapshot, n_jobs: int) -> bool:
    return len(snapshot.jobs) == n_jobs and {job.state for job in snapshot.jobs} == {"succeeded"}


@pytest.mark.timeout(180)
def test_rolling_restarts_fail_no_call_and_waste_no_attempt(tmp_path: Path) -> None:
    with run_service(tmp_path, drain_seconds=DRAIN_SECONDS) as service, httpx.Client(timeout=10) as http:
        balancer = Balancer(service, http)
        with load(balancer) as jobs:
            for api in service.apis:
                restart(api, balancer.has_all)
            for worker in service.workers:
                restart(worker, worker.find_child)
            restart(service.sweeper, service.sweeper.is_alive)
        wait_until(lambda: all_are_over(read_snapshot(service.database_url), len(jobs)), "every job succeeds")
        chunks = read_snapshot(service.database_url).chunks
        assert [chunk.attempt for chunk in chunks] == [1] * len(chunks), "no attempt was wasted"
