"""``POST /generate`` and ``/jobs``."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Header, Query, Request, Response

from rm_engine.errors import InputError
from service.api.access import Reader, Writer
from service.api.cards import find_card
from service.api.contract import may_answer
from service.api.observation import RequestId
from service.api.paging import Cursor, Limit, decode_cursor, next_path, page_size
from service.api.requests import GenerateRequest, JobId
from service.api.schemas import JobItem, JobPage
from service.api.services import Services, Use
from service.api.slots import Slot
from service.domain import JobState, NotFoundError, Principal, RepeatableRequest
from service.domain.ids import is_job_id
from service.domain.quotas import Backlog, Quotas
from service.jobs import ChunkLimits, announce_due_chunks, cancel_job, submit_job
from service.settings import Settings

router = APIRouter(tags=["jobs"])

_ANNOUNCED_AT_ONCE = 64
"""The sweeper announces the rest of a large job, so that no request waits for thousands of messages."""


IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=200,
        pattern=r"^[!-~]+$",
        description="Any text not used for another request, a UUID for instance; remembered for a day at least.",
    ),
]


QUEUED: Final[dict[str, Any]] = {
    "description": "The job is stored, and will be done.",
    "headers": {
        "Location": {
            "required": True,
            "schema": {"type": "string"},
            "description": "Path of the job.",
            "example": "/jobs/01m82bdrpfe9r60xv08f1264tt",
        }
    },
    "links": {
        name: {"operationId": name, "parameters": {parameter: "$response.body#/id"}, "description": meaning}
        for name, parameter, meaning in (
            ("get_job", "path.job_id", "How far it is."),
            ("follow_job", "path.job_id", "What it finds, as it finds it."),
            ("delete_job", "path.job_id", "Cancel it."),
            ("list_structures", "query.job", "What it has found."),
        )
    },
}


@router.post("/generate", status_code=202, responses={202: QUEUED, **may_answer(429)})
def generate(
    request: GenerateRequest,
    response: Response,
    services: Use,
    principal: Writer,
    request_id: RequestId,
    _slot: Slot,
    idempotency_key: IdempotencyKey = None,
) -> JobItem:
    """Queue a job that generates structures.

    With an `Idempotency-Key`, the same request sent again (after a timeout, say) gives the same job.
    """
    spec = request.to_spec()
    settings = services.settings
    spec.check_against(find_card(services, spec.model, principal.group))
    limits = ChunkLimits(max_samples=settings.chunk_max_samples, max_atoms=settings.chunk_max_atoms)
    repeatable = idempotency_key and RepeatableRequest.of(
        idempotency_key, request.model_dump(mode="json"), principal.group
    )
    job_id = submit_job(services.store, spec, limits, repeatable or None, principal, request_id, read_quotas(settings))
    announce(services, job_id)
    response.headers["Location"] = f"/jobs/{job_id}"
    return read_job(services, job_id, principal)


@router.get("/jobs")
def list_jobs(
    request: Request,
    services: Use,
    principal: Reader,
    state: Annotated[JobState | None, Query(description="Only jobs in this state.")] = None,
    limit: Limit = None,
    cursor: Cursor = None,
) -> JobPage:
    """Jobs, newest first."""
    before = decode_cursor(cursor, str)[0] if cursor else None
    if before is not None and not is_job_id(before):
        raise InputError("invalid_cursor", "cursor", cursor, "this is no cursor of this list", "Leave it out.")
    with services.store.reading() as tx:
        page = tx.job_views.list_newest(principal.group, state, before, page_size(limit, services.settings))
    return JobPage(items=[JobItem.of(view) for view in page.items], next=next_path(request, page.next_key))


@router.get("/jobs/{job_id}")
def get_job(job_id: JobId, services: Use, principal: Reader) -> JobItem:
    """A job: its state, counts and progress."""
    return read_job(services, job_id, principal)


@router.delete("/jobs/{job_id}", responses=may_answer(409))
def delete_job(job_id: JobId, services: Use, principal: Writer, _slot: Slot) -> JobItem:
    """Cancel a job that is not finished. What it has stored so far stays."""
    _check_form(job_id)
    cancel_job(services.store, job_id, principal.group)
    return read_job(services, job_id, principal)


def announce(services: Services, job_id: str) -> None:
    """Wake workers up for a job that was just stored."""
    announce_due_chunks(
        services.store,
        services.queue.announce,
        services.settings.reannounce_seconds,
        job_id=job_id,
        limit=_ANNOUNCED_AT_ONCE,
    )


def read_quotas(settings: Settings) -> Quotas:
    """How much may wait, as the operator has set it."""
    return Quotas(
        job=settings.max_job_atom_steps,
        key=Backlog(atom_steps=settings.max_queued_atom_steps_per_key, jobs=settings.max_queued_jobs_per_key),
        everybody=Backlog(atom_steps=settings.max_queued_atom_steps, jobs=settings.max_queued_jobs),
    )


def read_job(services: Services, job_id: str, principal: Principal) -> JobItem:
    """The answer for a job.

    Raises:
        NotFoundError: the group has no such job.
    """
    _check_form(job_id)
    with services.store.reading() as tx:
        return JobItem.of(tx.job_views.get(job_id, principal.group))


def _check_form(job_id: str) -> None:
    """What has not the form of an id never reaches the database."""
    if not is_job_id(job_id):
        raise NotFoundError("job", job_id)
