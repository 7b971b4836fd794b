"""``GET /jobs/{job_id}/events``: a job while it runs, as server-sent events."""

from __future__ import annotations

import threading
import time
from collections.abc import AsyncIterator
from typing import Annotated, Final

import anyio
from fastapi import APIRouter, Depends, Header, Request
from fastapi.sse import EventSourceResponse, ServerSentEvent

from service.api.access import Reader
from service.api.examples import EXAMPLE_EVENTS
from service.api.feeds import POLL_SECONDS, JobFeed
from service.api.requests import JobId
from service.api.schemas import JobItem, StructureItem
from service.api.services import Use
from service.domain import BusyError, NotFoundError, StoreUnavailableError
from service.domain.ids import is_job_id
from service.domain.states import TERMINAL_JOB_STATES
from service.domain.views import StructureView

router = APIRouter(tags=["jobs"])

_PAGE: Final = 64
_RETRY_MILLISECONDS: Final = 1000
_LASTING: Final = {
    "id", "sample", "formula", "reduced_formula", "n_atoms", "volume_per_atom", "model", "pseudo_energy_per_atom",
    "formation_energy_per_atom", "band_gap", "energy_kind", "converged", "space_group", "molecule", "start",
    "start_origin", "matches", "links",
}  # fmt: skip
"""What is known of a structure when it is recorded, and never changes."""

LastEventId = Annotated[
    int, Header(alias="Last-Event-ID", ge=0, le=10**9, description="`id` of the last event received before.")
]


async def _join_feed(job_id: JobId, request: Request, services: Use, principal: Reader) -> AsyncIterator[JobFeed]:
    """A feed of the job until the answer is over; errors come before it begins."""
    if not is_job_id(job_id):
        raise NotFoundError("job", job_id)
    draining: threading.Event = request.app.state.draining
    if draining.is_set():
        raise BusyError("This process is about to end. Try again.")
    with services.feeds.join(job_id, principal.group) as feed:
        await feed.read()
        yield feed


@router.get(
    "/jobs/{job_id}/events",
    response_class=EventSourceResponse,
    responses={200: {"content": {"text/event-stream": {"example": EXAMPLE_EVENTS}}}},
)
async def follow_job(
    feed: Annotated[JobFeed, Depends(_join_feed)], request: Request, services: Use, last_event_id: LastEventId = 0
) -> AsyncIterator[ServerSentEvent]:
    """Follow a job until it is over: server-sent events, with a comment now and then where nothing happens.

    - `structure`: a structure was recorded; what is known of it, without atoms. Its `id` is their number so far.
    - `job`: the job has changed (state, counts, progress); as `GET /jobs/{job_id}` answers, at most twice a second.
    - `end`: the job is over, and all its structures were sent; its data is the state.

    A stream that ends before, after a quarter of an hour by default, is taken up with the last `id` received in
    `Last-Event-ID`, as `EventSource` does by itself: no structure is then missed, and none comes twice.
    """
    draining: threading.Event = request.app.state.draining
    ends_at = time.monotonic() + services.settings.event_stream_seconds
    n_sent, shown = last_event_id, None
    while not draining.is_set() and time.monotonic() < ends_at:
        try:
            job = await feed.read()
            for start in range(n_sent, job.counts.generated, _PAGE):
                for structure in await feed.structures(start, min(start + _PAGE, job.counts.generated)):
                    n_sent += 1
                    yield _describe(structure, n_sent)
        except StoreUnavailableError:
            await anyio.sleep(POLL_SECONDS)
            continue
        if job != shown:
            shown = job
            data = JobItem.of(job).model_dump_json()
            yield ServerSentEvent(event="job", id=str(n_sent), raw_data=data, retry=_RETRY_MILLISECONDS)
        if job.state in TERMINAL_JOB_STATES:
            yield ServerSentEvent(event="end", id=str(n_sent), raw_data=job.state)
            return
        await anyio.sleep(min(POLL_SECONDS, max(0.0, ends_at - time.monotonic())))


def _describe(structure: StructureView, number: int) -> ServerSentEvent:
    data = StructureItem.of(structure).model_dump_json(include=_LASTING)
    return ServerSentEvent(event="structure", id=str(number), raw_data=data)
