"""Who may run a chunk: leases, taken by compare-and-set, and lost by silence.

A claim carries the attempt number; every write of a worker is fenced by it, so a worker that was thought dead and comes
back can change nothing. Chunks are at least once run and exactly once recorded.
"""

from __future__ import annotations

from service.domain import Claim, JobState, LeaseStatus, Progress
from service.domain.states import TERMINAL_JOB_STATES, ChunkState
from service.store import Store, Transaction


def claim_chunk(
    store: Store, chunk_id: str, worker_name: str, lease_seconds: float, *, max_lost_attempts: int = 3
) -> Claim | None:
    """Take a chunk that is queued, or whose worker let its lease expire.

    Args:
        store: the database.
        chunk_id: the chunk that a message named.
        worker_name: who takes it, for the record.
        lease_seconds: how long the claim holds without being renewed.
        max_lost_attempts: a chunk whose lease expired so often is failed, and its job with it.

    Returns:
        The claim, or None when there is nothing to do: an unknown chunk, one that another worker has or that is over.
    """
    with store.transaction() as tx:
        job = tx.jobs.lock_of_chunk(chunk_id)
        if job is None or job.state in TERMINAL_JOB_STATES:
            return None
        taken = tx.chunks.take(chunk_id, worker_name, lease_seconds)
        if taken is None:
            return None
        claim = Claim(
            chunk_id=chunk_id,
            job_id=job.id,
            kind=taken.kind,
            attempt=taken.attempt,
            spec=job.spec,
            start=taken.start,
            stop=taken.stop,
            submitted_at=job.created_at,
            group=job.group,
            request_id=job.request_id,
        )
        if taken.lost_attempts >= max_lost_attempts:
            samples = f"samples {taken.start} to {taken.stop - 1}"
            cause = f"Workers that ran {samples} were lost {taken.lost_attempts} times."
            fail_claimed(tx, claim, cause)
            return None
        tx.jobs.start(job.id)
        return claim


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


def fail_chunk(store: Store, claim: Claim, cause: str) -> bool:
    """Record that a chunk can never succeed; its job fails with that cause. False when fenced off."""
    with store.transaction() as tx:
        tx.jobs.lock(claim.job_id)
        return fail_claimed(tx, claim, cause)


def fail_claimed(tx: Transaction, claim: Claim, cause: str) -> bool:
    """:func:`fail_chunk` inside a transaction that has locked the job."""
    if not tx.chunks.close(claim, ChunkState.FAILED, cause):
        return False
    tx.jobs.finish(claim.job_id, JobState.FAILED, cause)
    tx.chunks.cancel_open(claim.job_id)
    return True
