"""``/health``: is the process alive, can it do its work."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from service.api.services import Use
from service.domain import StoreUnavailableError

router = APIRouter(prefix="/health", tags=["health"])


@router.get("/live")
def get_liveness() -> dict[str, str]:
    """The process answers."""
    return {"status": "live"}


@router.get("/ready")
@router.get("", include_in_schema=False)
def get_readiness(services: Use) -> dict[str, Any]:
    """The database answers and has the newest schema; with the number of chunks that wait and run."""
    if not services.store.is_migrated():
        raise StoreUnavailableError("The database has not the newest schema. Run `rmatch migrate`.")
    with services.store.reading() as tx:
        return {"status": "ready", "chunks": tx.job_views.queue_depth()}
