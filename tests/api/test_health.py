"""Probes: what each answers when something is down, slow or about to end, and that none of them can hang."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from anyio.to_thread import current_default_thread_limiter
from fastapi.testclient import TestClient

from service.api.probes import BoundedCheck
from service.domain.workers import WorkerReport
from service.jobs import record_worker
from service.main import create_app
from service.settings import Settings
from service.store import Store

URL = "http://localhost"


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    """One database: none of this is a matter of which."""
    return f"sqlite:///{tmp_path / 'test.sqlite3'}"


@pytest.fixture
def with_worker(store: Store) -> WorkerReport:
    """A worker has just reported."""
    now = datetime.now(UTC)
    report = WorkerReport(name="node-7:42", started_at=now, seen_at=now, chunk_id=None, details={}, counters={})
    record_worker(store, report)
    return report


def test_a_complete_service_is_ready(client: TestClient, with_worker: WorkerReport) -> None:
    assert client.get("/healthz").json() == {"status": "alive"}
    for path in ("/readyz", "/readyz?strict=true"):
        answer = client.get(path)
        assert answer.status_code == 200
        assert answer.json() == {
            "status": "ready",
            "database": "ready",
            "broker": "ready",
            "fresh_workers": 1,
            "draining": False,
        }


def test_without_a_fresh_worker_jobs_are_still_accepted(
    settings: Settings, store: Store, with_worker: WorkerReport
) -> None:
    silent = settings.model_copy(update={"worker_heartbeat_seconds": 1e-6})
    with TestClient(create_app(silent), URL) as client:
        answer = client.get("/readyz")
        assert (answer.status_code, answer.json()["status"], answer.json()["fresh_workers"]) == (200, "degraded", 0)
        assert client.get("/readyz?strict=true").status_code == 503


def test_without_a_broker_jobs_are_still_accepted(settings: Settings, with_worker: WorkerReport) -> None:
    broken = settings.model_copy(update={"broker_url": "redis://127.0.0.1:1/0"})
    with TestClient(create_app(broken), URL) as client:
        answer = client.get("/readyz")
        assert (answer.status_code, answer.json()["status"], answer.json()["broker"]) == (200, "degraded", "down")
        strict = client.get("/readyz?strict=true")
        assert strict.status_code == 503
        assert int(strict.headers["retry-after"]) > 0


def test_without_a_database_requests_go_elsewhere(tmp_path: Path) -> None:
    settings = Settings(
        data_dir=tmp_path, database_url="postgresql://nobody@127.0.0.1:1/none", prepare_database=False, keys="off"
    )
    with TestClient(create_app(settings), URL) as client:
        answer = client.get("/readyz")
        assert (answer.status_code, answer.json()["status"], answer.json()["database"]) == (503, "unavailable", "down")
        assert answer.json()["fresh_workers"] is None
        assert int(answer.headers["retry-after"]) > 0
        assert client.get("/healthz").status_code == 200


def test_without_tables_requests_go_elsewhere(tmp_path: Path) -> None:
    with TestClient(create_app(Settings(data_dir=tmp_path, prepare_database=False)), URL) as client:
        answer = client.get("/readyz")
        assert (answer.status_code, answer.json()["database"]) == (503, "outdated")


def test_a_process_that_is_about_to_end_wants_no_requests_but_lives(
    client: TestClient, with_worker: WorkerReport
) -> None:
    client.app.state.draining.set()  # type: ignore[attr-defined]
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json()["status"], answer.json()["draining"]) == (503, "unavailable", True)
    assert client.get("/healthz").status_code == 200


class Slow:
    """A check that hangs until it is let go, and counts how often it was begun."""

    def __init__(self, answer: Callable[[], str]) -> None:
        self.go_on = threading.Event()
        self.n_begun = 0
        self._answer = answer

    def __call__(self) -> str:
        self.n_begun += 1
        self.go_on.wait()
        return self._answer()


def test_a_check_that_hangs_is_given_up_and_not_begun_again() -> None:
    slow = Slow(lambda: "answer")
    check = BoundedCheck(slow, too_late="too late", wait_seconds=0.01, keep_seconds=0.0)
    try:
        assert [check() for _ in range(5)] == ["too late"] * 5
        assert asyncio.run(check.answer()) == "too late"
        assert slow.n_begun == 1
    finally:
        slow.go_on.set()
    patient = BoundedCheck(slow, too_late="too late", wait_seconds=10.0)
    assert patient() == asyncio.run(patient.answer()) == "answer"


def test_an_answer_is_kept_for_a_while() -> None:
    fast = Slow(lambda: "answer")
    fast.go_on.set()
    keeping = BoundedCheck(fast, too_late="", wait_seconds=10.0, keep_seconds=1e6)
    assert {keeping() for _ in range(5)} == {"answer"}
    assert fast.n_begun == 1


def test_a_check_that_fails_says_so_to_who_asked() -> None:
    def fail() -> str:
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        BoundedCheck(fail, too_late="", wait_seconds=10.0)()


def test_probes_are_answered_when_every_thread_is_taken(client: TestClient, with_worker: WorkerReport) -> None:
    has_begun, go_on = threading.Event(), threading.Event()

    @client.app.get("/wait")  # type: ignore[attr-defined, untyped-decorator]
    def wait() -> None:
        has_begun.set()
        go_on.wait()

    def leave_one_thread() -> None:
        current_default_thread_limiter().total_tokens = 1

    client.portal.call(leave_one_thread)  # type: ignore[union-attr]
    waiting = threading.Thread(target=client.get, args=("/wait",))
    waiting.start()
    try:
        has_begun.wait()
        assert [client.get(path).status_code for path in ("/healthz", "/readyz")] == [200, 200]
    finally:
        go_on.set()
        waiting.join()
