"""Asking another potential about structures that were found."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from rm_engine.spec import OpinionSpec
from service.domain import (
    ANONYMOUS,
    AskedStructure,
    ChunkState,
    FailedSample,
    JobState,
    OpinionClaim,
    OpinionRecord,
    Principal,
    RepeatableRequest,
)
from service.domain.ids import new_job_id
from service.domain.quotas import Quotas
from service.jobs.admission import admit
from service.store import Store

_CHUNK: Final = 4
"""Structures that are asked about together: each may take half a minute, and what a lost worker had is done again."""


def submit_opinions(
    store: Store,
    spec: OpinionSpec,
    structure_ids: Sequence[str],
    request: RepeatableRequest | None = None,
    principal: Principal = ANONYMOUS,
    request_id: str = "",
    quotas: Quotas | None = None,
) -> str:
    """Store a job that asks about structures, ready to be claimed; its id. Arguments are those of
    :func:`service.jobs.submission.submit_job`.

    Raises:
        KeyReusedError: the request's key stands for another request.
        InputError, QuotaExceededError, QueueFullError: see :func:`service.jobs.admission.admit`.
    """
    job_id = new_job_id()
    with store.transaction() as tx:
        if request is not None and (known := tx.idempotency.bind(request, job_id)) != job_id:
            return known
        if quotas is not None:
            admit(tx, spec, principal, quotas)
        tx.jobs.add(job_id, spec, principal, request_id)
        tx.opinions.add_request(job_id, structure_ids)
        n = len(structure_ids)
        tx.chunks.add(job_id, [range(start, min(start + _CHUNK, n)) for start in range(0, n, _CHUNK)])
    return job_id


def load_asked(store: Store, claim: OpinionClaim) -> list[AskedStructure]:
    """The structures that a chunk asks about."""
    with store.reading() as tx:
        return tx.opinions.asked(claim)


def record_opinions(
    store: Store, claim: OpinionClaim, records: Sequence[OpinionRecord], failures: Sequence[FailedSample] = ()
) -> bool:
    """Store what was found, and of which structures nothing was; close the chunk, after the last one the job.

    Returns:
        False, and nothing is written, when the claim holds no more.
    """
    with store.transaction() as tx:
        tx.jobs.lock(claim.job_id)
        if not tx.chunks.close(claim, ChunkState.SUCCEEDED):
            return False
        tx.opinions.record(claim, records, failures)
        if not tx.chunks.has_open_generation(claim.job_id):
            tx.jobs.finish(claim.job_id, JobState.SUCCEEDED)
        return True
