"""The workers table: the last report of each worker process."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import Connection, delete, select

from service.domain.workers import WorkerReport
from service.store.engine import read_clock
from service.store.tables import workers
from service.store.upsert import insert_or_replace


@dataclass(frozen=True)
class WorkerRepository:
    """Worker processes within one transaction."""

    connection: Connection

    def record(self, report: WorkerReport) -> None:
        """Keep a report in place of the worker's last one, as of now."""
        row = {
            "name": report.name,
            "started_at": report.started_at,
            "seen_at": read_clock(self.connection),
            "chunk_id": report.chunk_id,
            "details": dict(report.details),
            "counters": dict(report.counters),
        }
        insert_or_replace(self.connection, workers, row)

    def reports(self) -> list[WorkerReport]:
        """The last report of each, the latest heard of first."""
        now = read_clock(self.connection)
        rows = self.connection.execute(select(workers).order_by(workers.c.seen_at.desc(), workers.c.name)).mappings()
        return [WorkerReport(**row, age_seconds=(now - row["seen_at"]).total_seconds()) for row in rows]

    def forget(self, age: timedelta) -> int:
        """Forget workers not heard of for so long; how many there were."""
        old = workers.c.seen_at < read_clock(self.connection) - age
        return self.connection.execute(delete(workers).where(old)).rowcount
