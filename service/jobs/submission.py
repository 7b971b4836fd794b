"""Accepting jobs, and calling them off."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from rm_engine.spec import GenerationSpec
from service.domain.access import ANONYMOUS, Principal
from service.domain.errors import JobFinishedError
from service.domain.idempotency import RepeatableRequest
from service.domain.ids import new_job_id
from service.domain.quotas import Quotas
from service.domain.states import TERMINAL_JOB_STATES, JobState
from service.jobs.admission import admit
from service.store import Store


@dataclass(frozen=True, kw_only=True)
class ChunkLimits:
    """How much relaxes together: enough to keep a worker busy, little enough to lose with it.

    Attributes:
        max_samples: most samples in a chunk.
        max_atoms: most atoms in a chunk; a sample that is larger gets a chunk of its own.
    """

    max_samples: int = 64
    max_atoms: int = 1280


DEFAULT_LIMITS = ChunkLimits()


def submit_job(
    store: Store,
    spec: GenerationSpec,
    limits: ChunkLimits = DEFAULT_LIMITS,
    request: RepeatableRequest | None = None,
    principal: Principal = ANONYMOUS,
    request_id: str = "",
    quotas: Quotas | None = None,
) -> str:
    """Store a job with its chunks, ready to be claimed, unless the same request has given one before; return its id.

    The last chunk is the analysis of the whole job; it waits for the others.

    Args:
        store: the database.
        spec: the run.
        limits: how it is cut into chunks.
        request: what tells that it was asked for before.
        principal: who asks; the job is of that group.
        request_id: of the HTTP request, for the logs.
        quotas: how much may wait, whatever does unless given; not asked of a request that has given a job before.

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
        tx.chunks.add(job_id, split_samples(spec, limits), spec.n)
    return job_id


def forget_old_keys(store: Store, age: timedelta) -> int:
    """Forget idempotency keys older than ``age``; returns how many there were."""
    with store.transaction() as tx:
        return tx.idempotency.forget(age)


def cancel_job(store: Store, job_id: str, group: str) -> None:
    """Cancel a job: workers that run its chunks learn of it at their next renewal. Cancelling again changes nothing.

    Raises:
        NotFoundError: the group has no such job.
        JobFinishedError: the job has succeeded or failed.
    """
    with store.transaction() as tx:
        state = tx.jobs.lock(job_id, group)
        if state is JobState.CANCELLED:
            return
        if state in TERMINAL_JOB_STATES:
            raise JobFinishedError(job_id, state)
        tx.jobs.finish(job_id, JobState.CANCELLED)
        tx.chunks.cancel_open(job_id)


def split_samples(spec: GenerationSpec, limits: ChunkLimits) -> list[range]:
    """Contiguous ranges of samples, in order, each within the limits; smaller ones where each is relaxed many times by
    itself, but not where samples are a population.
    """
    ranges = []
    start = n_atoms = 0
    n_alone = spec.n_relaxations - spec.generations
    max_samples, max_atoms = limits.max_samples // n_alone, limits.max_atoms // n_alone
    for sample in range(spec.n):
        size = spec.formula_of(sample).n_atoms
        if sample > start and (sample - start >= max_samples or n_atoms + size > max_atoms):
            ranges.append(range(start, sample))
            start, n_atoms = sample, 0
        n_atoms += size
    return [*ranges, range(start, spec.n)]
