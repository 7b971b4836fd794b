"""What workers say of themselves: written while they work, over outages, and forgotten after a day."""

from __future__ import annotations

import threading
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from servers import wait_until
from sqlalchemy import update
from stacks import Stack

from rm_engine.spec import GenerationSpec
from service.domain.ids import chunk_id_of
from service.domain.workers import WorkerReport
from service.jobs import forget_old_workers, list_workers, record_worker
from service.store import Store
from service.store.tables import workers
from worker.presence import Presence
from worker.runner import ChunkRunner
from worker.tally import Outcome, Tally

STARTED = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
REPORT = WorkerReport(
    name="host:1", started_at=STARTED, seen_at=STARTED, chunk_id="x", details={"device": "cpu"}, counters={"a": 1}
)
SPEC = GenerationSpec(composition="C", n=40, formula_units=(16,), model="diamond", fmax=1e-5, max_steps=1000)


def make_presence(store: Store, tally: Tally, seconds: float) -> Presence:
    return Presence(store, "host:1", tally, {"device": "cpu"}, lambda: None, seconds)


def test_a_worker_has_one_row_that_says_how_it_is_now(store: Store) -> None:
    record_worker(store, REPORT)
    record_worker(store, replace(REPORT, chunk_id=None, counters={"a": 2}))
    record_worker(store, replace(REPORT, name="host:2"))
    second, first = list_workers(store)
    assert (first.name, first.started_at, first.chunk_id, first.counters) == ("host:1", STARTED, None, {"a": 2})
    assert (second.name, second.details) == ("host:2", {"device": "cpu"})
    assert abs(first.seen_at - datetime.now(UTC)) < timedelta(minutes=1)
    assert first.age_seconds >= second.age_seconds >= 0


def test_a_worker_is_fresh_for_three_heartbeats() -> None:
    assert replace(REPORT, age_seconds=14).is_fresh(5)
    assert not replace(REPORT, age_seconds=16).is_fresh(5)


def test_workers_are_forgotten_after_a_day(store: Store) -> None:
    for name in ("old", "new"):
        record_worker(store, replace(REPORT, name=name))
    with store.transaction() as tx:
        before = datetime.now(UTC) - timedelta(hours=25)
        tx.connection.execute(update(workers).where(workers.c.name == "old").values(seen_at=before))
    assert forget_old_workers(store) == 1
    assert [report.name for report in list_workers(store)] == ["new"]


def test_a_runner_reports_while_it_works_and_counts_what_it_did(stack: Stack) -> None:
    job_id = stack.submit(SPEC, chunk_size=SPEC.n)
    settings = stack.settings.model_copy(update={"worker_heartbeat_seconds": 0.05})
    with closing(ChunkRunner(settings)) as runner:
        runner.presence.start()
        wait_until(lambda: list_workers(stack.store), "it says that it is there")
        work = threading.Thread(target=runner.run, args=[chunk_id_of(job_id, 0)])
        work.start()
        seen = set()
        while work.is_alive():
            seen.add(list_workers(stack.store)[0].chunk_id)
        runner.run(chunk_id_of(job_id, 1))
        runner.presence.stop()
        runner.presence.report()  # after what its thread may have been writing
    assert chunk_id_of(job_id, 0) in seen
    (report,) = list_workers(stack.store)
    job, counters = stack.job(job_id), report.counters
    assert report.chunk_id is None
    assert report.details.keys() == {"version", "device", "threads"}
    assert counters["attempts"] == {outcome.value: 2 * (outcome is Outcome.RECORDED) for outcome in Outcome}
    assert (counters["structures"], counters["samples_failed"]) == (job.counts.generated, job.counts.failed)
    assert counters["gpu_memory_bytes"] is None or counters["gpu_memory_bytes"] >= 0
    durations = counters["chunk_seconds"]
    assert [durations[kind]["count"] for kind in ("generate", "analyse")] == [1, 1]
    assert counters["busy_seconds"] == sum(histogram["sum"] for histogram in durations.values())
    counts = [n for _, n in durations["generate"]["buckets"]]
    assert counts == sorted(counts)
    assert counts[-1] == 1


def test_an_outage_of_the_database_is_waited_out(store: Store) -> None:
    with closing(Store("postgresql://nobody@127.0.0.1:1/none")) as broken:
        presence = make_presence(broken, Tally(), 0.05)
        presence.start()
        presence._store = store
        wait_until(lambda: list_workers(store), "it says that it is there")
        presence.stop()
