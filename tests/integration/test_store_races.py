"""Many workers, an impatient sweeper and a user who cancels, all at once on one database."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from threading import Event

import pytest
from databases import FINGERPRINT, lis2, record, state_of
from sqlalchemy import func, select

from service.domain import (
    PUBLIC_GROUP,
    ChunkKind,
    Claim,
    JobFinishedError,
    JobState,
    LeaseStatus,
    Progress,
    StoreUnavailableError,
)
from service.jobs import (
    ChunkLimits,
    announce_due_chunks,
    cancel_job,
    claim_chunk,
    list_due_chunks,
    load_hull_systems,
    load_job_structures,
    record_analysis,
    record_generated,
    release_chunk,
    renew_lease,
    submit_job,
)
from service.store import Store
from service.store.tables import chunks, structures

N_JOBS, N_SAMPLES, N_WORKERS = 6, 8, 6


def test_nothing_deadlocks_is_lost_or_doubled(store: Store) -> None:
    jobs = [submit_job(store, lis2(N_SAMPLES), ChunkLimits(max_samples=2)) for _ in range(N_JOBS)]
    chunk_ids = [f"{job_id}-c{k:05d}" for job_id in jobs for k in range(5)]
    done = Event()

    def work(seed: int) -> None:
        generator = random.Random(seed)
        while not done.is_set():
            for chunk_id in generator.sample(chunk_ids, len(chunk_ids)):
                # some leases have expired at once: the claim is lost to whoever comes next
                claim = claim_chunk(store, chunk_id, f"w{seed}", generator.choice([60, 60, -1]), max_lost_attempts=999)
                if claim is not None:
                    run(store, claim, generator)
            is_over = all(state_of(store, job_id) in ("succeeded", "cancelled") for job_id in jobs)
            if is_over:
                done.set()

    def sweep() -> None:
        while not done.is_set():
            announce_due_chunks(store, lambda _: True, 0.01)

    with ThreadPoolExecutor(N_WORKERS + 2) as pool:
        futures = [pool.submit(work, seed) for seed in range(N_WORKERS)] + [pool.submit(sweep)]
        futures.append(pool.submit(cancel, store, jobs[0]))
        for future in futures:
            future.result(timeout=120)

    assert list_due_chunks(store) == []
    assert [state_of(store, job_id) for job_id in jobs[1:]] == [JobState.SUCCEEDED] * (N_JOBS - 1)
    with store.reading() as tx:
        query = select(structures.c.job_id, func.count()).group_by(structures.c.job_id)
        counts = {job_id: count for job_id, count in tx.connection.execute(query)}  # noqa: C416  rows are no pairs to mypy
        assert tx.connection.scalar(select(func.max(chunks.c.attempt))) or 0
    assert [counts[job_id] for job_id in jobs[1:]] == [N_SAMPLES] * (N_JOBS - 1)


def run(store: Store, claim: Claim, generator: random.Random) -> None:
    if generator.random() < 0.1:
        release_chunk(store, claim)
    elif renew_lease(store, claim, 60, Progress(n_finished=1)) is not LeaseStatus.HELD:
        return
    elif claim.kind is ChunkKind.GENERATE:
        record_generated(store, claim, [record(k, generator.random()) for k in range(claim.start, claim.stop)])
    else:
        found = {structure.id: None for structure in load_job_structures(store, claim)}
        systems = load_hull_systems(store, claim, FINGERPRINT)
        formulas = [entry.reduced_formula for system in systems for entry in system.members]
        record_analysis(store, claim, found, dict.fromkeys(formulas, -generator.random()), FINGERPRINT)


def cancel(store: Store, job_id: str) -> None:
    try:
        cancel_job(store, job_id, PUBLIC_GROUP)
    except JobFinishedError:
        assert state_of(store, job_id) is JobState.SUCCEEDED


def test_a_session_that_falls_silent_gives_up_its_locks(postgres_url: str) -> None:
    """As a process that is stopped in the middle of a transaction; it learns of it when it goes on."""
    with closing(Store(postgres_url)) as patient, closing(Store(postgres_url, statement_seconds=0.5)) as hasty:
        patient.migrate()
        job_id = submit_job(patient, lis2())

        def fall_silent() -> None:
            with patient.transaction() as tx:
                tx.jobs.lock(job_id)
                with pytest.raises(StoreUnavailableError, match="statement timeout"):
                    cancel_job(hasty, job_id, PUBLIC_GROUP)
                tx.connection.exec_driver_sql("SET idle_in_transaction_session_timeout = 100")
                cancel_job(patient, job_id, PUBLIC_GROUP)
                tx.jobs.lock(job_id)

        with pytest.raises(StoreUnavailableError, match="stood still for long"):
            fall_silent()
        assert state_of(patient, job_id) is JobState.CANCELLED
