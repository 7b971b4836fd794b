"""Recording what workers found: each result in one transaction, fenced by the attempt."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

from service.domain import (
    ChunkState,
    FailedSample,
    GeneratedRecord,
    GenerationClaim,
    HullSystem,
    JobState,
    JobStructure,
    ServiceError,
)
from service.store import Store, Transaction


def record_generated(
    store: Store, claim: GenerationClaim, records: Sequence[GeneratedRecord], failures: Sequence[FailedSample] = ()
) -> bool:
    """Store the structures of a chunk and close it; after the last one the analysis of the job may begin.

    Args:
        store: the database.
        claim: the claim under which the chunk ran.
        records: what came of the samples.
        failures: samples of which nothing came; together with ``records`` every sample of the chunk once.

    Returns:
        False, and nothing is written, when the claim holds no more: another worker has the chunk, or the job is over.

    Raises:
        ServiceError: samples are missing, foreign or doubled, or an energy is not a finite number.
    """
    _check_complete(claim, records, failures)
    with store.transaction() as tx:
        tx.jobs.lock(claim.job_id)
        if not tx.chunks.close(claim, ChunkState.SUCCEEDED):
            return False
        tx.structures.add(claim, records, failures)
        if not tx.chunks.has_open_generation(claim.job_id):
            _open_analysis(tx, claim.job_id)
        return True


def load_job_structures(store: Store, claim: GenerationClaim) -> list[JobStructure]:
    """The structures of the job, lowest pseudo energy first, for the search for duplicates."""
    with store.reading() as tx:
        return tx.structures.of_job(claim.job_id)


def load_hull_systems(store: Store, claim: GenerationClaim, fingerprint: str) -> Iterator[HullSystem]:
    """The chemical systems whose hull the job may have changed: its own, then all stored ones that contain it.

    Only converged crystals of the job's group and model are in them, made by weights of that fingerprint. Nothing for a
    job that makes no crystals. Each system is loaded when it is asked for, in a transaction of its own.
    """
    if not claim.spec.is_crystal:
        return
    own = claim.spec.chemsys
    with store.reading() as tx:
        names = [own, *tx.hulls.systems_above(own)]
    for name in names:
        with store.reading() as tx:
            system = tx.hulls.system(claim.group, name, claim.spec.model, fingerprint)
        if system.members or name == own:
            yield system


def record_analysis(
    store: Store,
    claim: GenerationClaim,
    duplicates: Mapping[str, str | None],
    hull: Mapping[str, float],
    fingerprint: str,
) -> bool:
    """Store what the analysis found and close the job as succeeded.

    Args:
        store: the database.
        claim: the claim on the analysis.
        duplicates: for each structure of the job, the one it is a duplicate of, or None for the first of its kind.
        hull: energy of the hull per atom at every reduced formula where it is not the stored one. Structures are only
            ever added, so a hull only ever sinks: of two analyses that overlap the larger distances are right, and
            those are kept.
        fingerprint: which weights of the job's model the hull is of.

    Returns:
        False, and nothing is written, when the claim holds no more.
    """
    with store.transaction() as tx:
        tx.jobs.lock(claim.job_id)
        if not tx.chunks.close(claim, ChunkState.SUCCEEDED):
            return False
        # first: it locks rows of other jobs, in the order of their ids
        tx.hulls.raise_distances(hull, claim.group, claim.spec.model, fingerprint, claim.job_id)
        tx.structures.set_representatives(duplicates)
        tx.jobs.finish(claim.job_id, JobState.SUCCEEDED)
        return True


def _open_analysis(tx: Transaction, job_id: str) -> None:
    reason = tx.structures.reason_for_none(job_id)
    if reason is None:
        tx.chunks.open_analysis(job_id)
        return
    tx.jobs.finish(job_id, JobState.FAILED, f"No sample gave a structure. Most often: {reason}")
    tx.chunks.cancel_open(job_id)


def _check_complete(
    claim: GenerationClaim, records: Sequence[GeneratedRecord], failures: Sequence[FailedSample]
) -> None:
    samples = sorted([*(record.sample for record in records), *(failure.sample for failure in failures)])
    if samples != list(range(claim.start, claim.stop)):
        raise ServiceError(f"Chunk {claim.chunk_id} is to record samples {claim.start} to {claim.stop - 1}, each once.")
    for record in records:
        if not (math.isfinite(record.pseudo_energy_per_atom) and math.isfinite(record.ranking_energy)):
            raise ServiceError(
                f"Sample {record.sample} of job {claim.job_id} has no finite energy: record it as failed."
            )
