"""What one app measures: requests as they go by, and at each scrape the queue, the workers and the database."""

from __future__ import annotations

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from prometheus_client.exposition import generate_latest
from prometheus_client.registry import Collector

_SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Instruments:
    """Counts of one app's requests and whatever a collector reads elsewhere, in a registry of their own.

    Attributes:
        in_flight: requests not fully answered yet.
        event_streams: open streams of events.
    """

    def __init__(self, collector: Collector) -> None:
        self._registry = registry = CollectorRegistry()
        registry.register(collector)
        ProcessCollector(registry=registry)
        self._requests = Counter(
            "rmatch_http_requests_total",
            "Requests answered, by method, route template and class of status.",
            ("method", "route", "status"),
            registry=registry,
        )
        self._seconds = Histogram(
            "rmatch_http_request_duration_seconds",
            "Time from a request until its answer began.",
            ("method", "route"),
            buckets=_SECONDS,
            registry=registry,
        )
        self.in_flight = Gauge(
            "rmatch_http_requests_in_flight", "Requests not fully answered yet, streams included.", registry=registry
        )
        self.event_streams = Gauge("rmatch_event_streams", "Open streams of the events of a job.", registry=registry)

    def count_request(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count a request that was answered after so long."""
        self._requests.labels(method, route, f"{status // 100}xx").inc()
        self._seconds.labels(method, route).observe(seconds)

    def expose(self) -> bytes:
        """Everything in Prometheus' text format."""
        return generate_latest(self._registry)
