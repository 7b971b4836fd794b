"""Ten thousand jobs that wait: what it costs to submit one more, to look at them, and to keep them announced."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from functools import partial
from secrets import token_hex
from statistics import median
from typing import Any, Final

import httpx

from benchmarks.deployment import deploy, make_headers
from benchmarks.report import Row, show
from benchmarks.timing import wall_seconds
from rm_engine.spec import GenerationSpec
from service.jobs import announce_due_chunks, submit_job
from service.queue import ChunkQueue
from service.settings import Settings
from service.store import Store
from tests.servers import HOST, run_postgres, run_redis

_BODY: Final = {"composition": "LiS2", "n": 30}
_SPEC: Final = GenerationSpec(composition="LiS2", n=30)
_FEW: Final = 100
"""Enough to fill a page."""

_LISTS: Final = {
    "GET /jobs": "/jobs",
    "GET /jobs?state=queued": "/jobs?state=queued",
    "GET /jobs, the page in the middle": "",
    "GET /jobs/{id}": "",
    "GET /readyz": "/readyz",
    "GET /metrics": "/metrics",
}
_WITHOUT_GOAL: Final = {"GET /metrics"}
"""It counts what waits."""


@dataclass
class User:
    """Asks an API for what a row is about, over one connection that stays open."""

    client: httpx.Client
    paths: dict[str, str] = field(default_factory=lambda: dict(_LISTS))

    def get(self, path: str) -> Any:  # noqa: ANN401  # any JSON
        """The answer, read."""
        return self.client.get(path).raise_for_status().json()

    def submit(self) -> float:
        """Seconds to submit a job, which is cancelled at once, so that as many wait as before."""
        begin = time.perf_counter()
        response = self.client.post("/generate", json=_BODY).raise_for_status()
        seconds = time.perf_counter() - begin
        self.client.delete(response.headers["Location"]).raise_for_status()
        return seconds

    def read(self, kind: str) -> float:
        """Seconds to read what has that name."""
        return wall_seconds(lambda: self.client.get(self.paths[kind]).raise_for_status())


def run(n_jobs: int = 10_000, n_rounds: int = 100) -> Iterator[Row]:
    """Compare an API with ``n_jobs`` waiting with one with a hundred, in turns, on the same servers; no worker runs."""
    with run_postgres() as postgres, run_redis() as broker, ExitStack() as stack:
        users, stores = [], []
        for n in (_FEW, n_jobs):
            url = stack.enter_context(postgres.new_database())
            settings = Settings(database_url=url, broker_url=broker.url, key_secret=token_hex())
            service = stack.enter_context(deploy(settings, 0))
            store = stack.enter_context(closing(Store(url)))
            queue = stack.enter_context(closing(ChunkQueue(settings)))
            job_ids = [submit_job(store, _SPEC) for _ in range(n)]
            url, headers = f"http://{HOST}:{service.port}", make_headers(store, settings)
            user = User(stack.enter_context(httpx.Client(base_url=url, headers=headers, timeout=60)))
            _choose_paths(user, job_ids)
            users.append(user)
            stores.append((store, queue, settings.reannounce_seconds))
        actions: dict[str, Callable[[User], float]] = {"POST /generate": User.submit}
        actions |= {kind: partial(User.read, kind=kind) for kind in _LISTS}
        for kind, action in actions.items():
            yield _compare(kind, action, users, n_jobs, n_rounds)
        yield _time_sweeps(*stores[1], n_jobs)


def _choose_paths(user: User, job_ids: list[str]) -> None:
    """The job and the page in the middle."""
    user.paths["GET /jobs/{id}"] = f"/jobs/{job_ids[len(job_ids) // 2]}"
    page = "/jobs"
    for _ in range(len(job_ids) // 100):
        page = user.get(page)["next"]
    user.paths["GET /jobs, the page in the middle"] = page


def _compare(kind: str, action: Callable[[User], float], users: list[User], n_jobs: int, n_rounds: int) -> Row:
    """How much longer an action takes where many wait."""
    rounds = [[action(user) for user in users] for _ in range(n_rounds + 5)][5:]
    few, many = (median(times) for times in zip(*rounds, strict=True))
    return Row(
        f"{kind} with {n_jobs:,} jobs waiting",
        many / few,
        None if kind in _WITHOUT_GOAL else 1.5,
        f"times as long as with {_FEW}",
        at_least=False,
        note=f"medians of {len(rounds)} in turns: {1000 * few:.1f} and {1000 * many:.1f} ms",
    )


def _time_sweeps(store: Store, queue: ChunkQueue, reannounce_seconds: float, n_jobs: int) -> Row:
    """The sweeper announces all that waits, some at a time; the last pass finds nothing to do."""
    found = []
    n_announced = 1
    while n_announced:
        begin = time.perf_counter()
        n_announced = announce_due_chunks(store, queue.announce, 100 * reannounce_seconds)
        found.append((n_announced, time.perf_counter() - begin))
    most, seconds = max(found)
    return Row(
        f"a pass of the sweeper with {n_jobs:,} jobs waiting",
        1000 * found[-1][1],
        None,
        "ms",
        at_least=False,
        note=f"that finds nothing due; one that announces {most:,} chunks takes {show(seconds)} s",
    )
