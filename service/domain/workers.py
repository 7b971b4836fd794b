"""What worker processes say of themselves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

_MISSED_HEARTBEATS: Final = 3


@dataclass(frozen=True, kw_only=True)
class WorkerReport:
    """How a worker process is.

    Attributes:
        name: host and process id, as in the chunks that it takes.
        started_at: when the process started, by its own clock.
        seen_at: when it was recorded, by the database's clock; what a worker writes there is not kept.
        age_seconds: how long that was ago when it was read.
        chunk_id: what it runs; None while it waits.
        details: its version, device and threads.
        counters: since it started, as :meth:`worker.tally.Tally.snapshot` makes them.
    """

    name: str
    started_at: datetime
    seen_at: datetime
    age_seconds: float = 0.0
    chunk_id: str | None
    details: Mapping[str, Any]
    counters: Mapping[str, Any]

    def is_fresh(self, heartbeat_seconds: float) -> bool:
        """Whether it was heard of within three heartbeats."""
        return self.age_seconds <= _MISSED_HEARTBEATS * heartbeat_seconds
