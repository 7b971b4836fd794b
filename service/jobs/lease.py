"""Who may run a chunk: leases, taken by compare-and-set, and lost by silence.

A claim carries the attempt number; every write of a worker is fenced by it, so a worker that was thought dead and comes
back can change nothing. Chunks are at least once run and exactly once recorded.
"""

from __future__ import annotations

from typing import Any, Final

from rm_engine.spec import GenerationSpec, ModelSpec
from service.domain import (
    Claim,
    GenerationClaim,
    JobClaim,
    JobState,
    LeaseStatus,
    OpinionClaim,
    Progress,
    TrainingClaim,
)
from service.domain.states import TERMINAL_JOB_STATES, ChunkKind, ChunkState
from service.store import Store, Transaction
from service.store.chunks import TakenChunk
from service.store.jobs import StoredJob

_SILENCE: Final = "its worker was lost without a word"


def claim_chunk(
    store: Store, chunk_id: str, worker_name: str, lease_seconds: float, *, max_lost_attempts: int = 3
) -> JobClaim | None:
    """Take a chunk that is queued, or whose worker let its lease expire.

    Args:
        store: the database.
        chunk_id: the chunk that a message named.
        worker_name: who takes it, for the record.
        lease_seconds: how long the claim holds without being renewed.
        max_lost_attempts: a chunk that came to nothing so often is failed, and its job with it.

    Returns:
        The claim, or None when there is nothing to do: an unknown chunk, one that another worker has or that is over.
    """
    with store.transaction() as tx:
        job = tx.jobs.lock_of_chunk(chunk_id)
        if job is None or job.state in TERMINAL_JOB_STATES:
            return None
        taken = tx.chunks.take(chunk_id, worker_name, lease_seconds, _SILENCE)
        if taken is None:
            return None
        claim = _make_claim(chunk_id, job, taken)
        if taken.lost_attempts >= max_lost_attempts:
            _park(tx, claim, taken.lost_attempts, _SILENCE)
            return None
        tx.jobs.start(job.id)
        return claim


def find_claim(store: Store, chunk_id: str, worker_name: str) -> Claim | None:
    """The claim under which a worker runs a chunk, for whoever knows that it will not go on; None where it does not."""
    with store.transaction() as tx:
        job, taken = tx.jobs.lock_of_chunk(chunk_id), tx.chunks.held(chunk_id, worker_name)
        return None if job is None or taken is None else _make_claim(chunk_id, job, taken)


def renew_lease(store: Store, claim: Claim, lease_seconds: float, progress: Progress) -> LeaseStatus:
    """Extend a lease to ``lease_seconds`` from now and store how far the chunk is; all but ``held`` means: stop."""
    with store.transaction() as tx:
        if tx.chunks.renew(claim, lease_seconds, progress):
            return LeaseStatus.HELD
        cancelled = tx.chunks.state(claim.chunk_id) is ChunkState.CANCELLED
        return LeaseStatus.CANCELLED if cancelled else LeaseStatus.LOST


def release_chunk(store: Store, claim: Claim) -> bool:
    """Give a chunk back unfinished, to be announced again at once; it does not count as lost. False when fenced off."""
    with store.transaction() as tx:
        return tx.chunks.release(claim)


def lose_chunk(store: Store, claim: Claim, cause: str, *, max_lost_attempts: int = 3) -> bool:
    """Record that an attempt came to nothing, and how it ended: the chunk is due again at once.

    After ``max_lost_attempts`` of them it is taken for a property of the chunk, which is then failed, and its job with
    it. False when fenced off.
    """
    with store.transaction() as tx:
        tx.jobs.lock(claim.job_id)
        n_lost = tx.chunks.count_lost(claim, cause)
        if n_lost is None:
            return False
        if n_lost >= max_lost_attempts:
            return _park(tx, claim, n_lost, cause)
        return tx.chunks.release(claim)


def fail_chunk(store: Store, claim: Claim, cause: str) -> bool:
    """Record that a chunk can never succeed; its job fails with that cause. False when fenced off."""
    with store.transaction() as tx:
        tx.jobs.lock(claim.job_id)
        return _fail(tx, claim, cause)


def _fail(tx: Transaction, claim: Claim, error: str) -> bool:
    """Fail the chunk and its job, which is locked."""
    if not tx.chunks.close(claim, ChunkState.FAILED, error):
        return False
    tx.jobs.finish(claim.job_id, JobState.FAILED, error)
    tx.chunks.cancel_open(claim.job_id)
    return True


def _park(tx: Transaction, claim: Claim, n_lost: int, cause: str) -> bool:
    """Fail a chunk that came to nothing too often."""
    what = "The training" if isinstance(claim, TrainingClaim) else _name_part(claim)
    return _fail(tx, claim, f"{what} failed {n_lost} times, the last time with this cause: {cause}.")


def _name_part(claim: Claim) -> str:
    """What of its job a chunk is, at the beginning of a sentence."""
    if claim.kind is ChunkKind.ANALYSE:
        return "The analysis"
    last, what = claim.stop - 1, "Structure" if isinstance(claim, OpinionClaim) else "Sample"
    return f"{what} {last}" if claim.start == last else f"{what}s {claim.start} to {last}"


def _make_claim(chunk_id: str, job: StoredJob, taken: TakenChunk) -> JobClaim:
    claim: dict[str, Any] = {
        "chunk_id": chunk_id,
        "job_id": job.id,
        "kind": taken.kind,
        "attempt": taken.attempt,
        "start": taken.start,
        "stop": taken.stop,
        "submitted_at": job.created_at,
        "group": job.group,
        "request_id": job.request_id,
    }
    if isinstance(job.spec, ModelSpec):
        return TrainingClaim(**claim, spec=job.spec)
    if isinstance(job.spec, GenerationSpec):
        return GenerationClaim(**claim, spec=job.spec)
    return OpinionClaim(**claim, spec=job.spec)
