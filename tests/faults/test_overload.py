"""More than the service can take: what is too much is refused, and whoever reads does not notice."""

from __future__ import annotations

import asyncio
import os
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from threading import Event

import httpx
import psycopg
import pytest
from processes import run_rmatch
from servers import HOST, free_port, wait_until

from service.api.slots import Slots
from service.domain import BusyError

JOB = {"composition": "C", "n": 2, "formula_units": 2, "model": "diamond"}
LIMIT = 50
N_SUBMITS = 60


@pytest.fixture
def environment(tmp_path: Path, postgres_url: str, redis_url: str) -> dict[str, str]:
    """Real servers; no keys, and no worker."""
    return {
        "RMATCH_DATA_DIR": str(tmp_path),
        "RMATCH_DATABASE_URL": postgres_url,
        "RMATCH_BROKER_URL": redis_url,
        "RMATCH_KEYS": "off",
        "RMATCH_DRAIN_SECONDS": "0",
    }


@contextmanager
def run_api(environment: dict[str, str]) -> Iterator[tuple[int, str]]:
    """The API as a process of its own, its id and its URL."""
    port = free_port()
    with run_rmatch("api", "--port", str(port), environment=environment) as running:
        url = f"http://{HOST}:{port}"

        def answers() -> bool:
            try:
                return httpx.get(f"{url}/healthz").is_success
            except httpx.TransportError:
                return False

        wait_until(answers, "the API answers")
        yield running.process.pid, url


def read(client: httpx.Client, n: int) -> list[float]:
    """Seconds of requests that read, one after the other; each succeeds."""
    found = []
    for k in range(n):
        begin = time.perf_counter()
        client.get(("/jobs", "/jobs?state=queued", "/structures", "/references")[k % 4]).raise_for_status()
        found.append(time.perf_counter() - begin)
    return found


def p95(seconds: Sequence[float]) -> float:
    return sorted(seconds)[int(0.95 * len(seconds))]


def resident_bytes(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.timeout(180)
def test_what_is_too_much_is_refused_and_reads_go_on(environment: dict[str, str]) -> None:
    """Four clients submit as fast as they can: as many jobs as fit are taken, and lists stay about as fast as before
    (their p95 within the time that four requests take, which share the one processor with them).
    """
    over = Event()

    def submit(url: str) -> Counter[int]:
        answers: Counter[int] = Counter()
        with httpx.Client(base_url=url, timeout=30) as client:
            while not over.is_set():
                response = client.post("/generate", json=JOB)
                answers[response.status_code] += 1
                assert response.status_code == 202 or int(response.headers["Retry-After"]) >= 5
        return answers

    with (
        run_api({**environment, "RMATCH_MAX_QUEUED_JOBS_PER_KEY": str(LIMIT)}) as (pid, url),
        httpx.Client(base_url=url, timeout=30) as client,
    ):
        with ThreadPoolExecutor(4) as pool:
            read(client, 20)
            alone = read(client, 60)
            running = [pool.submit(submit, url) for _ in range(4)]
            read(client, 60)
            memory = resident_bytes(pid)
            beside = read(client, 120)
            grown = resident_bytes(pid) - memory
            over.set()
            answers = sum((each.result() for each in running), Counter())
        jobs = client.get("/jobs?limit=1000").json()["items"]
    assert set(answers) == {202, 429}
    assert answers[202] == len(jobs) == LIMIT, "exactly, however many asked at once"
    assert answers[429] > LIMIT, "it was too much"
    assert p95(beside) < 30 * p95(alone)
    assert grown < 20_000_000, "bytes for a refused request would add up"


@pytest.mark.timeout(120)
def test_submits_that_hang_leave_room_for_reads(environment: dict[str, str], postgres_url: str) -> None:
    """More submits than there are threads wait for a lock that somebody holds."""
    with ExitStack() as stack:
        _, url = stack.enter_context(run_api(environment))
        limits = httpx.Limits(max_connections=N_SUBMITS + 1)
        client = stack.enter_context(httpx.Client(base_url=url, timeout=60, limits=limits))
        pool = stack.enter_context(ThreadPoolExecutor(N_SUBMITS))
        watch = stack.enter_context(closing(psycopg.connect(postgres_url, autocommit=True)))

        def submit() -> httpx.Response:
            return client.post("/generate", json=JOB)

        def count_waiting() -> int:
            row = watch.execute("SELECT count(DISTINCT pid) FROM pg_locks WHERE NOT granted").fetchone()
            assert row is not None
            return int(row[0])

        alone = read(client, 60)
        with closing(psycopg.connect(postgres_url)) as holder:
            holder.execute("LOCK TABLE jobs IN SHARE MODE")
            waiting = [pool.submit(submit) for _ in range(N_SUBMITS)]
            wait_until(lambda: count_waiting() == Slots.places, "every place is taken")
            beside = read(client, 60)
            assert count_waiting() <= Slots.places
            wait_until(lambda: any(each.done() for each in waiting), "some are turned away")
        answers = [each.result() for each in waiting]
        assert submit().status_code == 202
    refused = Counter(answer.json()["code"] for answer in answers if answer.status_code != 202)
    assert {answer.status_code for answer in answers} <= {202, 503}
    assert refused.keys() <= {"busy", "database_unavailable"}
    assert refused["busy"] > 0
    assert all(int(answer.headers["Retry-After"]) > 0 for answer in answers if answer.status_code == 503)
    assert p95(beside) < 20 * p95(alone)


def test_who_finds_no_place_is_told_so() -> None:
    async def crowd() -> Counter[str]:
        slots = Slots(places=2, max_waiting=3, wait_seconds=0.2)
        answers: Counter[str] = Counter()

        async def ask(seconds: float) -> None:
            try:
                async with slots.take():
                    await asyncio.sleep(seconds)
                answers["served"] += 1
            except BusyError as error:
                answers[str(error)] += 1

        await asyncio.gather(*(ask(1.0) for _ in range(7)))
        await asyncio.gather(*(ask(0.01) for _ in range(5)))
        return answers

    assert asyncio.run(crowd()) == {
        "served": 2 + 5,
        "3 requests wait already to be worked on. Try again soon.": 2,
        "Other requests take too long. Try again soon.": 3,
    }
