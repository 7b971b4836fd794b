"""Redis and PostgreSQL stop, hang and come back: what can be accepted is, and what cannot is told to come again."""

from __future__ import annotations

import statistics
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
import pytest
import redis
from fastapi.testclient import TestClient
from httpx2 import Response
from processes import run_rmatch
from servers import PostgresServer, RedisServer, run_postgres, run_redis, wait_until
from stacks import Stack, open_stack

from service.main import create_app
from service.settings import Settings

BODY = {"composition": "C", "n": 1, "formula_units": 2, "model": "diamond", "starts": {"random": 1}, "match": False}
SEND_TIMEOUT_SECONDS = 0.1
DATABASE_SECONDS = 1.0
N_SUBMITS = 12


@pytest.fixture(scope="module")
def postgres() -> Iterator[PostgresServer]:
    """One of our own: it will suffer."""
    with run_postgres() as server:
        yield server


@pytest.fixture(scope="module")
def broker() -> Iterator[RedisServer]:
    with run_redis() as server:
        yield server


@pytest.fixture
def stack(tmp_path: Path, postgres: PostgresServer, broker: RedisServer) -> Iterator[Stack]:
    broker.flush()
    with postgres.new_database() as url:
        settings = Settings(
            data_dir=tmp_path,
            database_url=url,
            broker_url=broker.url,
            keys="off",
            database_seconds=DATABASE_SECONDS,
            prepare_database=False,
            sweep_seconds=0.2,
            lease_seconds=2.0,
            reannounce_seconds=1.0,
        )
        with open_stack(settings) as opened:
            yield opened


@pytest.fixture
def client(stack: Stack) -> Iterator[TestClient]:
    app = create_app(stack.settings)
    with TestClient(app, base_url="http://localhost", raise_server_exceptions=False) as client:
        yield client


def submit(client: TestClient, key: str | None = None) -> Response:
    return client.post("/generate", json=BODY, headers={} if key is None else {"Idempotency-Key": key})


def time_submits(client: TestClient) -> list[float]:
    """Seconds that each of some submissions takes; all are accepted."""
    found = []
    for _ in range(N_SUBMITS):
        begin = time.perf_counter()
        assert submit(client).status_code == 202
        found.append(time.perf_counter() - begin)
    return found


def count_jobs(stack: Stack) -> int:
    with psycopg.connect(stack.settings.database_url) as connection:
        (n,) = connection.execute("SELECT count(*) FROM jobs").fetchone() or (0,)
        return int(n)


def assert_told_to_come_again(answer: Response) -> None:
    assert answer.status_code == 503, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert int(answer.headers["Retry-After"]) > 0


OUTAGES: dict[str, Callable[[Any], AbstractContextManager[None]]] = {
    "stopped": lambda server: server.process.stopped(),
    "hung": lambda server: server.process.paused(),
}


@pytest.mark.parametrize("how", OUTAGES)
def test_without_redis_submissions_are_accepted_as_fast(client: TestClient, broker: RedisServer, how: str) -> None:
    """One in a second waits for the broker, for as long as it is given; the others do not notice."""
    submit(client)
    usual = time_submits(client)
    with OUTAGES[how](broker):
        found = time_submits(client)
    assert statistics.median(found) < 3 * statistics.median(usual)
    assert sum(seconds > SEND_TIMEOUT_SECONDS + max(usual) for seconds in found) <= 3


@pytest.mark.parametrize("setting", [("maxmemory", "1"), ("min-replicas-to-write", "1")], ids=["full", "alone"])
def test_a_broker_that_takes_no_messages_keeps_no_job_out(
    client: TestClient, broker: RedisServer, setting: tuple[str, str]
) -> None:
    submit(client)
    with redis.Redis.from_url(broker.url) as administrator:
        administrator.config_set(*setting)
        assert submit(client).status_code == 202
        administrator.config_set(setting[0], "0")


@pytest.mark.timeout(120)
def test_what_was_submitted_without_redis_runs_when_it_is_back(
    stack: Stack, client: TestClient, broker: RedisServer
) -> None:
    with ExitStack() as running:
        for command in ("worker", "sweep"):
            running.enter_context(run_rmatch(command, environment=stack.environment))
        assert stack.wait_for(submit(client).json()["id"]).state == "succeeded", "they are up"
        with broker.process.stopped():
            jobs = [submit(client).json()["id"] for _ in range(3)]
        assert {stack.wait_for(job).state for job in jobs} == {"succeeded"}


@pytest.mark.parametrize("how", OUTAGES)
def test_without_postgres_nothing_is_accepted_and_nothing_fails(
    stack: Stack, client: TestClient, postgres: PostgresServer, how: str
) -> None:
    """Reads and submissions are told to come again, each in turn; when the database is back, so is the service."""
    job = submit(client).json()["id"]
    with OUTAGES[how](postgres):
        assert_told_to_come_again(submit(client))
        assert_told_to_come_again(client.get(f"/jobs/{job}"))
        assert_told_to_come_again(client.get("/structures"))
    assert client.get(f"/jobs/{job}").status_code == 200
    assert submit(client).status_code == 202
    assert count_jobs(stack) == 2


def test_of_many_that_ask_a_database_that_hangs_one_waits(client: TestClient, postgres: PostgresServer) -> None:
    """All the same requests are answered in the time that a few of them would wait one after the other."""
    submit(client)
    with postgres.process.paused(), ThreadPoolExecutor(20) as pool:
        begin = time.perf_counter()
        assert_told_to_come_again(client.get("/jobs"))
        alone = time.perf_counter() - begin
        for answer in pool.map(lambda _: client.get("/jobs"), range(100)):
            assert_told_to_come_again(answer)
        together = time.perf_counter() - begin - alone
    assert together < 3 * alone


@pytest.mark.timeout(120)
def test_restarts_of_postgres_lose_nothing_that_was_accepted(
    stack: Stack, client: TestClient, postgres: PostgresServer
) -> None:
    answers: list[Response] = []
    stopped = threading.Event()

    def keep_submitting() -> None:
        while not stopped.is_set():
            answers.append(submit(client))

    def has_accepted(n: int) -> bool:
        return sum(answer.status_code == 202 for answer in answers) > n

    threads = [threading.Thread(target=keep_submitting) for _ in range(3)]
    for thread in threads:
        thread.start()
    for n in (5, 10, 15):
        wait_until(partial(has_accepted, n), "work goes on")
        postgres.crash()
    stopped.set()
    for thread in threads:
        thread.join()
    accepted = [answer.json()["id"] for answer in answers if answer.status_code == 202]
    for answer in answers:
        if answer.status_code != 202:
            assert_told_to_come_again(answer)
    assert {stack.job(job).id for job in accepted} == set(accepted)


def test_a_pool_without_connections_is_no_failure(client: TestClient) -> None:
    store = client.app.state.services.store  # type: ignore[attr-defined]
    with ExitStack() as held:
        for _ in range(store.pool_use().limit):
            held.enter_context(store.transaction())
        assert_told_to_come_again(client.get("/jobs"))
        assert_told_to_come_again(submit(client))
    assert client.get("/jobs").status_code == 200
    assert submit(client).status_code == 202


def test_a_row_that_somebody_keeps_locked_holds_nobody_for_long(stack: Stack, client: TestClient) -> None:
    job = submit(client).json()["id"]
    with psycopg.connect(stack.settings.database_url) as connection:
        connection.execute("SELECT * FROM jobs WHERE id = %s FOR UPDATE", [job])
        assert_told_to_come_again(client.delete(f"/jobs/{job}"))
        assert client.get(f"/jobs/{job}").json()["state"] == "queued"
    assert client.delete(f"/jobs/{job}").json()["state"] == "cancelled"
