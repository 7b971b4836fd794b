"""``/metrics``: what it says, by Prometheus' own rules, and what a scrape costs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from databases import claim_next, lis2
from fastapi.testclient import TestClient
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import event

from service.domain.workers import WorkerReport
from service.jobs import ChunkLimits, record_worker, submit_job
from service.main import create_app
from service.settings import Settings
from service.store import Store

URL = "http://localhost"
COUNTERS: dict[str, Any] = {
    "attempts": {"recorded": 7, "left": 0, "given_back": 1, "failed": 0, "broke": 0, "fenced": 2},
    "structures": 300,
    "samples_failed": 4,
    "busy_seconds": 12.5,
    "chunk_seconds": {
        "generate": {"buckets": [[0.1, 1], [1.0, 5], [10.0, 6]], "sum": 11.0, "count": 7},
        "analyse": {"buckets": [[0.1, 3], [1.0, 3], [10.0, 3]], "sum": 0.2, "count": 3},
    },
    "gpu_memory_bytes": None,
}


def scrape(client: TestClient) -> dict[str, Metric]:
    answer = client.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain; version=")
    return {family.name: family for family in text_string_to_metric_families(answer.text)}


def samples(family: Metric, *labels: str) -> dict[Any, float]:
    """Values by labels, without those of times of creation."""
    return {
        tuple(sample.labels[label] for label in labels): sample.value
        for sample in family.samples
        if not sample.name.endswith("_created")
    }


def report_worker(store: Store, name: str = "node-7:42", **counters: object) -> None:
    now = datetime.now(UTC)
    record_worker(
        store,
        WorkerReport(
            name=name, started_at=now, seen_at=now, chunk_id=None, details={}, counters={**COUNTERS, **counters}
        ),
    )


@contextmanager
def counted_statements(store: Store) -> Iterator[list[str]]:
    """The SQL that the store runs meanwhile, without the pool's own."""
    statements: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        statements.append(statement)

    engine = store._engine
    event.listen(engine, "before_cursor_execute", note)
    try:
        yield statements
    finally:
        event.remove(engine, "before_cursor_execute", note)


def test_requests_are_counted_by_route_and_class_of_status(client: TestClient) -> None:
    for path in ("/models", "/models/toy", "/models/toy", "/models/nothing"):
        client.get(path)
    counted = samples(scrape(client)["rmatch_http_requests"], "method", "route", "status")
    assert counted[("GET", "/models", "2xx")] == 1
    assert counted[("GET", "/models/{name}", "2xx")] == 2
    assert counted[("GET", "/models/{name}", "4xx")] == 1
    seconds = scrape(client)["rmatch_http_request_duration_seconds"]
    counts = {s.labels["route"]: s.value for s in seconds.samples if s.name.endswith("_count")}
    assert counts["/models/{name}"] == 3


def test_no_client_can_make_up_labels(client: TestClient) -> None:
    for k in range(20):
        client.get(f"/nothing/{k}")
        client.request(f"METHOD{k}", "/jobs")
        client.get(f"/jobs/{k}")
    labels = samples(scrape(client)["rmatch_http_requests"], "method", "route", "status").keys()
    assert labels <= {
        ("GET", "other", "4xx"),
        ("other", "/jobs", "4xx"),
        ("GET", "/jobs/{job_id}", "4xx"),
        ("GET", "/metrics", "2xx"),
    }


def test_failures_are_counted_as_such(client: TestClient) -> None:
    @client.app.get("/fail")  # type: ignore[attr-defined, untyped-decorator]
    def fail() -> None:
        raise RuntimeError

    client.get("/fail")
    assert samples(scrape(client)["rmatch_http_requests"], "route", "status")[("/fail", "5xx")] == 1


def test_requests_in_flight_are_the_scrape_itself(client: TestClient) -> None:
    client.get("/models")
    assert samples(scrape(client)["rmatch_http_requests_in_flight"]) == {(): 1}


def test_the_queue_is_counted_in_jobs_chunks_and_work(client: TestClient, store: Store) -> None:
    spec = lis2(4, max_steps=100)
    submit_job(store, spec, ChunkLimits(max_samples=2))
    submit_job(store, spec)
    claim_next(store)
    families = scrape(client)
    assert samples(families["rmatch_queue_jobs"], "state") == {("queued",): 1, ("running",): 1}
    assert samples(families["rmatch_queue_chunks"], "state") == {("queued",): 2, ("running",): 1}
    work = spec.atom_steps
    assert work == 4 * 3 * 100
    assert samples(families["rmatch_queue_atom_steps"], "state") == {("queued",): work, ("running",): work}
    assert 0 < samples(families["rmatch_queue_oldest_age_seconds"])[()] < 300


def test_an_empty_queue_is_zero_and_not_missing(client: TestClient) -> None:
    families = scrape(client)
    for name in ("rmatch_queue_jobs", "rmatch_queue_chunks", "rmatch_queue_atom_steps"):
        assert samples(families[name], "state") == {("queued",): 0, ("running",): 0}
    assert samples(families["rmatch_queue_oldest_age_seconds"]) == {(): 0}
    assert samples(families["rmatch_workers_fresh"]) == {(): 0}


def test_workers_are_told_from_their_reports(client: TestClient, store: Store) -> None:
    report_worker(store)
    report_worker(store, "gpu-1:7", gpu_memory_bytes=2**30)
    families = scrape(client)
    assert samples(families["rmatch_workers_fresh"]) == {(): 2}
    attempts = samples(families["rmatch_worker_attempts"], "worker", "outcome")
    assert attempts[("node-7:42", "recorded")] == 7
    assert attempts[("node-7:42", "fenced")] == 2
    assert samples(families["rmatch_worker_structures"], "worker")[("node-7:42",)] == 300
    assert samples(families["rmatch_worker_busy_seconds"], "worker")[("node-7:42",)] == 12.5
    assert samples(families["rmatch_worker_gpu_memory_bytes"], "worker") == {("gpu-1:7",): 2**30}
    chunks = {
        (sample.name.removeprefix("rmatch_worker_chunk_duration_seconds"), sample.labels.get("le")): sample.value
        for sample in families["rmatch_worker_chunk_duration_seconds"].samples
        if (sample.labels["worker"], sample.labels["kind"]) == ("node-7:42", "generate")
    }
    assert chunks == {
        ("_bucket", "0.1"): 1,
        ("_bucket", "1.0"): 5,
        ("_bucket", "10.0"): 6,
        ("_bucket", "+Inf"): 7,
        ("_sum", None): 11.0,
        ("_count", None): 7,
    }


def test_a_report_of_another_version_with_less_in_it_is_no_obstacle(client: TestClient, store: Store) -> None:
    now = datetime.now(UTC)
    record_worker(
        store, WorkerReport(name="old:1", started_at=now, seen_at=now, chunk_id=None, details={}, counters={})
    )
    assert samples(scrape(client)["rmatch_worker_structures"], "worker") == {("old:1",): 0}


def test_the_database_and_its_connections(client: TestClient) -> None:
    scrape(client)
    families = scrape(client)
    assert samples(families["rmatch_database_up"]) == {(): 1}
    assert samples(families["rmatch_broker_up"]) == {(): 1}
    used = samples(families["rmatch_database_connections"], "state")
    assert used.keys() == {("in_use",), ("idle",)}
    assert used[("idle",)] >= 1
    assert samples(families["rmatch_database_connections_limit"])[()] > 1


def test_without_a_database_the_rest_is_still_told(tmp_path: Path) -> None:
    settings = Settings(
        data_dir=tmp_path, database_url="postgresql://nobody@127.0.0.1:1/none", prepare_database=False, keys="off"
    )
    with TestClient(create_app(settings), URL) as client:
        client.get("/jobs")
        families = scrape(client)
        assert samples(families["rmatch_database_up"]) == {(): 0}
        assert samples(families["rmatch_http_requests"], "route", "status")[("/jobs", "5xx")] == 1
        assert not [name for name in families if name.startswith(("rmatch_queue", "rmatch_worker"))]


def test_a_scrape_costs_a_few_queries_however_long_the_queue(client: TestClient, store: Store) -> None:
    used = client.app.state.services.store  # type: ignore[attr-defined]
    scrape(client)
    counts = []
    for _ in range(2):
        with counted_statements(used) as statements:
            scrape(client)
        counts.append(len(statements))
        for _ in range(20):
            submit_job(store, lis2(8), ChunkLimits(max_samples=1))
        report_worker(store)
    assert counts[1] - counts[0] <= 2  # an age that there was not: the job's time, and the clock
    assert counts[1] <= 8


def test_names_and_texts_follow_the_rules_of_prometheus(client: TestClient, store: Store) -> None:
    """As `promtool check metrics` has them: base units only, no type in the name, a text for each."""
    report_worker(store, gpu_memory_bytes=1)
    submit_job(store, lis2(2))
    families = {name: family for name, family in scrape(client).items() if not name.endswith("_created")}
    assert len(families) > 20
    for name, family in families.items():
        assert re.fullmatch(r"(rmatch|process)_[a-z]+(_[a-z]+)*", name), name
        assert family.documentation.strip().endswith("."), name
        assert not re.search(r"_(count|sum|bucket|gauge|counter|histogram|total)$", name), name
        assert not re.search(r"_(milliseconds|ms|minutes|hours|kilobytes|mb|percent)$", name), name
        totals = {sample.name for sample in family.samples}
        if family.type == "counter":
            assert totals <= {f"{name}_total", f"{name}_created"}, name
        for sample in family.samples:
            assert all(re.fullmatch(r"[a-z]+", label) for label in sample.labels), sample


def test_two_apps_in_a_process_count_for_themselves(settings: Settings, store: Store) -> None:
    counts = []
    for _ in range(2):
        with TestClient(create_app(settings), URL) as client:
            client.get("/models")
            counts.append(samples(scrape(client)["rmatch_http_requests"], "route", "status")[("/models", "2xx")])
    assert counts == [1, 1]
