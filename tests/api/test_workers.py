"""``GET /workers``: who does the work, and whether it was heard of lately."""

from __future__ import annotations

from datetime import UTC, datetime

from fastapi.testclient import TestClient

from service.domain.workers import WorkerReport
from service.jobs import record_worker
from service.main import create_app
from service.settings import Settings
from service.store import Store

STARTED = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def report(name: str, chunk_id: str | None = None) -> WorkerReport:
    return WorkerReport(
        name=name,
        started_at=STARTED,
        seen_at=STARTED,
        chunk_id=chunk_id,
        details={"version": "0.1.0", "device": "cuda", "threads": 2},
        counters={"attempts": {"recorded": 3}, "structures": 90},
    )


def test_workers_say_what_they_are_and_do(client: TestClient, store: Store) -> None:
    record_worker(store, report("node-7:42", "01m82bdrpfe9r60xv08f1264tt-0000"))
    (item,) = client.get("/workers").json()["items"]
    seen_at = datetime.fromisoformat(item.pop("seen_at"))
    assert abs((datetime.now(UTC) - seen_at).total_seconds()) < 60  # by the database's clock, not the worker's
    assert item == {
        "name": "node-7:42",
        "host": "node-7",
        "version": "0.1.0",
        "device": "cuda",
        "started_at": "2026-01-02T03:04:05Z",
        "is_fresh": True,
        "chunk": "01m82bdrpfe9r60xv08f1264tt-0000",
        "counters": {"attempts": {"recorded": 3}, "structures": 90},
    }


def test_the_last_heard_of_comes_first_and_a_new_report_replaces_the_old(client: TestClient, store: Store) -> None:
    assert client.get("/workers").json()["items"] == []
    for name in ("a:1", "b:2", "a:1"):
        record_worker(store, report(name))
    assert [item["name"] for item in client.get("/workers").json()["items"]] == ["a:1", "b:2"]


def test_a_silent_worker_is_not_fresh(settings: Settings, store: Store) -> None:
    record_worker(store, report("a:1"))
    impatient = settings.model_copy(update={"worker_heartbeat_seconds": 1e-6})
    with TestClient(create_app(impatient), "http://localhost") as client:
        assert client.get("/workers").json()["items"][0]["is_fresh"] is False
