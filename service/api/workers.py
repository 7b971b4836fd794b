"""``GET /workers``: the processes that do the work."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, Field

from service.api.access import Admin
from service.api.services import Use
from service.domain.workers import WorkerReport
from service.jobs import list_workers

router = APIRouter(tags=["operation"])


class WorkerItem(BaseModel):
    """A worker process, as it reported last."""

    name: str = Field(description="Host and process id.", examples=["node-7:4211"])
    host: str = Field(description="The machine that it runs on.")
    version: str = Field(description="Of rmatch.")
    device: str = Field(description="What it relaxes on.", examples=["cpu", "cuda"])
    started_at: datetime = Field(description="When the process began.")
    seen_at: datetime = Field(description="When it was heard of last.")
    is_fresh: bool = Field(description="Seen within three heartbeats.")
    chunk: str | None = Field(description="What it runs; null while it waits.")
    counters: dict[str, Any] = Field(
        description="Since it started: attempts by outcome, structures, seconds of work, bytes of memory."
    )

    @classmethod
    def of(cls, report: WorkerReport, heartbeat_seconds: float) -> WorkerItem:
        """The answer for a worker."""
        return cls(
            name=report.name,
            host=report.name.rpartition(":")[0],
            version=str(report.details.get("version", "")),
            device=str(report.details.get("device", "")),
            started_at=report.started_at,
            seen_at=report.seen_at,
            is_fresh=report.is_fresh(heartbeat_seconds),
            chunk=report.chunk_id,
            counters=dict(report.counters),
        )


class WorkerList(BaseModel):
    """Worker processes, the last heard of first."""

    items: list[WorkerItem] = Field(description="Those of the last day.")
    next: None = Field(default=None, description="All are on one page.")


@router.get("/workers")
def get_workers(services: Use, _admin: Admin) -> WorkerList:
    """The worker processes of the last day: what they run, whether they were heard of lately, what they have done."""
    seconds = services.settings.worker_heartbeat_seconds
    return WorkerList(items=[WorkerItem.of(report, seconds) for report in list_workers(services.store)])
