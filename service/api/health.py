"""``/healthz`` and ``/readyz``: is the process alive, should it get requests."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, Field

from service.api.probes import DatabaseState
from service.api.problems import RETRY_AFTER_SECONDS
from service.api.services import Use

router = APIRouter(tags=["operation"])


class Liveness(BaseModel):
    """The process answers."""

    status: Literal["alive"] = Field(default="alive", description="It has no other.")


class Readiness(BaseModel):
    """Whether requests are welcome, and what speaks against it."""

    status: Literal["ready", "degraded", "unavailable"] = Field(
        description="`degraded`: jobs are accepted, and run once broker and workers are back."
    )
    database: DatabaseState = Field(
        description="`outdated`: its schema is of an older version; `rmatch migrate` helps."
    )
    broker: Literal["ready", "down"] = Field(description="Whether the queue takes messages.")
    fresh_workers: int | None = Field(description="Workers seen within three heartbeats; null where unknown.")
    draining: bool = Field(description="The process is about to end, and wants no more requests.")


@router.get("/healthz")
async def get_liveness() -> Liveness:
    """The process answers. Nothing else is looked at: to start it again would help no other part."""
    return Liveness()


@router.get("/readyz", responses={503: {"model": Readiness, "description": "Send requests elsewhere."}})
async def get_readiness(
    request: Request,
    response: Response,
    services: Use,
    strict: Annotated[bool, Query(description="503 also where the status is `degraded`.")] = False,
) -> Readiness:
    """Whether requests are welcome; 503 where the database is down or its schema old, and while the process drains.

    Answered within three seconds whatever hangs, from checks that are at most a second old.
    """
    database = await services.probes.database.answer()
    has_broker = await services.probes.broker.answer()
    draining = request.app.state.draining.is_set()
    is_unavailable = draining or database.state is not DatabaseState.READY
    is_degraded = not (has_broker and database.fresh_workers)
    if is_unavailable or (strict and is_degraded):
        response.status_code = 503
        response.headers["Retry-After"] = RETRY_AFTER_SECONDS
    return Readiness(
        status="unavailable" if is_unavailable else "degraded" if is_degraded else "ready",
        database=database.state,
        broker="ready" if has_broker else "down",
        fresh_workers=database.fresh_workers,
        draining=draining,
    )
