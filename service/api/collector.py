"""What ``/metrics`` says beside requests: the queue, the workers, the database."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any, Final

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from service.api.probes import Probes
from service.domain import StoreUnavailableError
from service.domain.depth import QueueDepth
from service.domain.workers import WorkerReport
from service.jobs import list_workers
from service.store import Store

_WORKER_TOTALS: Final = {
    "structures": ("structures", "Structures relaxed and recorded, by worker."),
    "samples_failed": ("failed_samples", "Samples that gave no structure, by worker."),
    "busy_seconds": ("busy_seconds", "Time spent on chunks, by worker."),
}
"""Name in a worker's counters: name of the metric and its help text."""


@dataclass(frozen=True, eq=False)
class StoreCollector(Collector):
    """Reads the database at every scrape, in a few queries; where it is down, says so and leaves the rest out."""

    store: Store
    probes: Probes
    heartbeat_seconds: float

    def collect(self) -> Iterator[Metric]:
        """The families of one scrape."""
        yield InfoMetricFamily("rmatch_build", "What runs.", {"version": version("rmatch")})
        yield _gauge("rmatch_broker_up", "Whether the broker takes connections.", self.probes.broker())
        pool = self.store.pool_use()
        yield _gauges(
            "rmatch_database_connections",
            "Connections of this process to the database.",
            "state",
            {"in_use": pool.in_use, "idle": pool.idle},
        )
        yield _gauge("rmatch_database_connections_limit", "Most connections of this process.", pool.limit)
        families: list[Metric] = []
        try:
            with self.store.reading() as tx:
                families += _describe_queue(tx.queue_views.depth())
            families += _describe_workers(list_workers(self.store), self.heartbeat_seconds)
        except StoreUnavailableError:
            families.clear()
        yield _gauge(
            "rmatch_database_up",
            "Whether the database answered this scrape; queue and workers are left out where it did not.",
            bool(families),
        )
        yield from families


def _describe_queue(depth: QueueDepth) -> Iterator[Metric]:
    yield _gauges("rmatch_queue_jobs", "Jobs that are not finished, by state.", "state", depth.jobs)
    work = "Most work that unfinished jobs can be, in atoms times relaxation steps, by state of the job."
    yield _gauges("rmatch_queue_atom_steps", work, "state", depth.atom_steps)
    yield _gauges("rmatch_queue_chunks", "Chunks that wait for a worker or run, by state.", "state", depth.chunks)
    yield _gauge(
        "rmatch_queue_oldest_age_seconds",
        "Age of the oldest job of which samples wait for a worker; 0 where none do.",
        depth.oldest_seconds,
    )


def _describe_workers(reports: Sequence[WorkerReport], heartbeat_seconds: float) -> Iterator[Metric]:
    n_fresh = sum(report.is_fresh(heartbeat_seconds) for report in reports)
    yield _gauge("rmatch_workers_fresh", "Workers seen within three heartbeats.", n_fresh)
    seen = {report.name: report.seen_at.timestamp() for report in reports}
    yield _gauges("rmatch_worker_seen_timestamp_seconds", "When a worker was last seen.", "worker", seen)
    memory = {report.name: report.counters.get("gpu_memory_bytes") for report in reports}
    yield _gauges(
        "rmatch_worker_gpu_memory_bytes",
        "GPU memory that a worker holds; no series for one without a GPU.",
        "worker",
        {name: value for name, value in memory.items() if value is not None},
    )
    attempts = CounterMetricFamily(
        "rmatch_worker_attempts",
        "Attempts on chunks by outcome; a fenced one came too late, and its result was refused.",
        labels=("worker", "outcome"),
    )
    totals = {
        key: CounterMetricFamily(f"rmatch_worker_{name}", text, labels=("worker",))
        for key, (name, text) in _WORKER_TOTALS.items()
    }
    seconds = HistogramMetricFamily(
        "rmatch_worker_chunk_duration_seconds", "Time from taking a chunk to its end.", labels=("worker", "kind")
    )
    for report in reports:
        for outcome, n in report.counters.get("attempts", {}).items():
            attempts.add_metric((report.name, outcome), n)
        for key, family in totals.items():
            family.add_metric((report.name,), report.counters.get(key, 0))
        for kind, histogram in report.counters.get("chunk_seconds", {}).items():
            seconds.add_metric((report.name, kind), _buckets(histogram), histogram["sum"])
    yield from (attempts, *totals.values(), seconds)


def _buckets(histogram: Mapping[str, Any]) -> list[tuple[str, float]]:
    """Cumulative counts by upper bound, as Prometheus has them: the last one is of everything."""
    return [*((str(float(bound)), n) for bound, n in histogram["buckets"]), ("+Inf", histogram["count"])]


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(name, text, value=value)


def _gauges(name: str, text: str, label: str, values: Mapping[Any, float]) -> Metric:
    family = GaugeMetricFamily(name, text, labels=(label,))
    for labelled, value in values.items():
        family.add_metric((labelled,), value)
    return family
