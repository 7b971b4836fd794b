"""Jobs on real databases: claims, fences, leases, cancelling, the way from the first claim to the end."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any, TypeVar

import pytest
from databases import CUBE, FINGERPRINT, claim_next, lis2, record, run_job, state_of
from sqlalchemy import select
from sqlalchemy.exc import DBAPIError

from service.domain import (
    PUBLIC_GROUP,
    ChunkKind,
    Claim,
    FailedSample,
    JobFinishedError,
    JobState,
    LeaseStatus,
    Match,
    NotFoundError,
    Progress,
    Reference,
    ServiceError,
    StoreUnavailableError,
)
from service.domain.states import TERMINAL_JOB_STATES
from service.jobs import (
    ChunkLimits,
    add_references,
    announce_due_chunks,
    cancel_job,
    claim_chunk,
    fail_chunk,
    find_claim,
    list_due_chunks,
    load_prototypes,
    load_references,
    lose_chunk,
    mark_announced,
    record_analysis,
    record_generated,
    release_chunk,
    renew_lease,
    seed_known_crystals,
    submit_job,
)
from service.jobs import references as reference_jobs
from service.store import Store
from service.store.engine import read_clock
from service.store.tables import chunks

T = TypeVar("T")
TWO_EACH = ChunkLimits(max_samples=2)


def test_a_job_runs_from_submission_to_success(store: Store) -> None:
    job_id = submit_job(store, lis2(4), TWO_EACH)
    first, second = list_due_chunks(store)

    claim = claim_chunk(store, first, "a", 60)
    assert claim is not None
    assert (claim.kind, claim.start, claim.stop, claim.attempt) == (ChunkKind.GENERATE, 0, 2, 1)
    assert claim.spec == lis2(4)
    assert state_of(store, job_id) is JobState.RUNNING
    assert record_generated(store, claim, [record(0, -1.0), record(1, -2.0)])
    assert list_due_chunks(store) == [second]

    claim = claim_next(store)
    assert record_generated(store, claim, [record(2)], [FailedSample(sample=3, reason="exploded")])
    analysis = claim_next(store)
    assert (analysis.kind, analysis.start, analysis.stop) == (ChunkKind.ANALYSE, 0, 4)
    assert record_analysis(
        store, analysis, {f"{job_id}-00000": None, f"{job_id}-00002": f"{job_id}-00000"}, {}, FINGERPRINT
    )

    with store.reading() as tx:
        job = tx.job_views.get(job_id, PUBLIC_GROUP)
    assert (job.state, job.progress, job.error) == (JobState.SUCCEEDED, 1.0, None)
    assert (job.counts.generated, job.counts.failed, job.counts.converged, job.counts.unique) == (3, 1, 3, 1)
    assert job.started_at is not None
    assert job.finished_at is not None
    assert job.created_at <= job.started_at <= job.finished_at
    assert list_due_chunks(store) == []


def test_only_one_of_many_claims_wins(store: Store) -> None:
    submit_job(store, lis2())
    (chunk_id,) = list_due_chunks(store)
    claims = _at_once(8, lambda k: claim_chunk(store, chunk_id, f"worker-{k}", 60))
    assert len([claim for claim in claims if claim is not None]) == 1


def test_the_last_two_chunks_closing_at_once_open_one_analysis(store: Store) -> None:
    for _ in range(10):
        job_id = submit_job(store, lis2(4), TWO_EACH)
        claims = [claim_chunk(store, chunk_id, "w", 60) for chunk_id in list_due_chunks(store, job_id=job_id)]

        def close(k: int, claims: list[Claim | None] = claims) -> bool:
            claim = claims[k]
            assert claim is not None
            return record_generated(store, claim, [record(s) for s in range(claim.start, claim.stop)])

        assert _at_once(2, close) == [True, True]
        (analysis,) = list_due_chunks(store, job_id=job_id)
        assert claim_chunk(store, analysis, "w", 60) is not None


def test_recording_waits_for_whoever_has_locked_the_job(store: Store) -> None:
    """Else two last chunks that close at once would each see the other still running, and the job would never end."""
    job_id = submit_job(store, lis2(1))
    claim = claim_next(store)
    with ThreadPoolExecutor(1) as pool:
        with store.transaction() as tx:
            tx.jobs.lock(job_id)
            recording = pool.submit(record_generated, store, claim, [record(0)])
            with pytest.raises(TimeoutError):
                recording.result(timeout=0.5)
        assert recording.result(timeout=60)


def test_a_worker_thought_dead_can_change_nothing(store: Store) -> None:
    job_id = submit_job(store, lis2(1))
    dead = claim_next(store, "dead", lease_seconds=-1)
    alive = claim_next(store, "alive")
    assert alive.attempt == dead.attempt + 1

    assert renew_lease(store, dead, 60, Progress()) is LeaseStatus.LOST
    assert not record_generated(store, dead, [record(0, -9.0)])
    assert not fail_chunk(store, dead, "nonsense")
    assert not release_chunk(store, dead)
    assert record_generated(store, alive, [record(0, -1.0)])
    assert not record_generated(store, alive, [record(0, -1.0)])

    assert state_of(store, job_id) is JobState.RUNNING
    with store.reading() as tx:
        assert tx.structure_views.get(f"{job_id}-00000", PUBLIC_GROUP).pseudo_energy_per_atom == -1.0


def test_a_result_recorded_twice_at_once_is_there_once(store: Store) -> None:
    submit_job(store, lis2(1))
    claim = claim_next(store)
    assert sorted(_at_once(4, lambda _: record_generated(store, claim, [record(0)]))) == [False, False, False, True]


def test_renewing_keeps_the_lease_and_shows_progress(store: Store) -> None:
    job_id = submit_job(store, lis2(4))
    claim = claim_next(store, lease_seconds=-1)
    assert renew_lease(store, claim, 60, Progress(n_finished=3, n_steps=70)) is LeaseStatus.HELD
    assert claim_chunk(store, claim.chunk_id, "thief", 60) is None
    with store.reading() as tx:
        job = tx.job_views.get(job_id, PUBLIC_GROUP)
    assert (job.counts.finished, job.counts.generated, job.progress, job.n_steps) == (3, 0, 0.75, 70)


def test_a_released_chunk_is_due_at_once_and_not_counted_as_lost(store: Store) -> None:
    job_id = submit_job(store, lis2(1))
    for attempt in range(1, 6):
        claim = claim_next(store)
        assert claim.attempt == attempt
        assert release_chunk(store, claim)
    assert state_of(store, job_id) is JobState.RUNNING


def test_a_chunk_that_kills_its_workers_fails_the_job(store: Store) -> None:
    job_id = submit_job(store, lis2(4), TWO_EACH)
    chunk_id = list_due_chunks(store)[0]
    for _ in range(3):
        assert claim_chunk(store, chunk_id, "victim", -1) is not None
    assert claim_chunk(store, chunk_id, "victim", 60) is None
    with store.reading() as tx:
        job = tx.job_views.get(job_id, PUBLIC_GROUP)
    assert job.state is JobState.FAILED
    assert job.error == (
        "Samples 0 to 1 failed 3 times, the last time with this cause: its worker was lost without a word."
    )
    assert list_due_chunks(store) == []


def test_a_worker_known_to_be_dead_loses_only_what_it_has(store: Store) -> None:
    submit_job(store, lis2(1))
    (chunk_id,) = list_due_chunks(store)
    assert find_claim(store, chunk_id, "a") is None
    claim = claim_next(store, "a")
    assert find_claim(store, chunk_id, "b") is None
    assert find_claim(store, chunk_id, "a") == claim
    assert lose_chunk(store, claim, "killed by signal 9")
    assert list_due_chunks(store) == [chunk_id]
    assert not lose_chunk(store, claim, "killed again")
    assert find_claim(store, chunk_id, "a") is None
    heir = claim_next(store, "b")
    assert not lose_chunk(store, claim, "killed again")
    with store.reading() as tx:
        row = tx.connection.execute(select(chunks).where(chunks.c.id == chunk_id)).one()
    assert (heir.attempt, row.attempt, row.lost_attempts, row.cause) == (2, 2, 1, "killed by signal 9")


def test_a_permanent_failure_fails_the_job_with_its_cause(store: Store) -> None:
    job_id = submit_job(store, lis2(4), TWO_EACH)
    other = claim_chunk(store, list_due_chunks(store)[1], "other", 60)
    assert other is not None
    assert fail_chunk(store, claim_next(store), "no model file")
    with store.reading() as tx:
        assert (tx.job_views.get(job_id, PUBLIC_GROUP).state, tx.job_views.get(job_id, PUBLIC_GROUP).error) == (
            JobState.FAILED,
            "no model file",
        )
    assert not record_generated(store, other, [record(2), record(3)])


def test_a_job_without_a_single_structure_fails_with_the_commonest_reason(store: Store) -> None:
    job_id = submit_job(store, lis2(3))
    reasons = ("exploded", "collapsed", "collapsed")
    failures = [FailedSample(sample=k, reason=reason) for k, reason in enumerate(reasons)]
    assert record_generated(store, claim_next(store), [], failures)
    with store.reading() as tx:
        job = tx.job_views.get(job_id, PUBLIC_GROUP)
    assert (job.state, job.counts.failed) == (JobState.FAILED, 3)
    assert job.error == "No sample gave a structure. Most often: collapsed"


def test_cancelling_reaches_the_workers(store: Store) -> None:
    job_id = submit_job(store, lis2(4), TWO_EACH)
    claim = claim_next(store)
    cancel_job(store, job_id, PUBLIC_GROUP)
    cancel_job(store, job_id, PUBLIC_GROUP)
    assert renew_lease(store, claim, 60, Progress()) is LeaseStatus.CANCELLED
    assert not record_generated(store, claim, [record(0), record(1)])
    assert list_due_chunks(store) == []
    assert state_of(store, job_id) is JobState.CANCELLED


def test_what_is_finished_or_unknown_cannot_be_cancelled(store: Store) -> None:
    job_id = run_job(store, lis2(1), [-1.0])
    with pytest.raises(JobFinishedError, match="already succeeded"):
        cancel_job(store, job_id, PUBLIC_GROUP)
    with pytest.raises(NotFoundError):
        cancel_job(store, "0" * 26, PUBLIC_GROUP)


@pytest.mark.parametrize("table", ["jobs", "chunks"])
@pytest.mark.parametrize("state", sorted(TERMINAL_JOB_STATES))
def test_the_database_itself_keeps_terminal_states(store: Store, table: str, state: JobState) -> None:
    """Whoever writes, and however: only what is not there any more has no state."""
    row = f"{table} SET state = '{state}' WHERE id = (SELECT max(id) FROM {table})"
    submit_job(store, lis2(1))
    with store.transaction() as tx:
        tx.connection.exec_driver_sql(f"UPDATE {row}")
    for other in {*JobState} - {state}:
        for clause in (f"state = '{other}'", f"error = 'x', state = '{other}'", f"state = replace('{other}', '', '')"):
            with pytest.raises((DBAPIError, StoreUnavailableError), match="terminal state"), store.transaction() as tx:
                tx.connection.exec_driver_sql(f"UPDATE {table} SET {clause} WHERE state = '{state}'")
    with store.transaction() as tx:  # everything else of the row may still change
        tx.connection.exec_driver_sql(f"UPDATE {row}")
        assert tx.connection.exec_driver_sql(f"SELECT count(*) FROM {table} WHERE state = '{state}'").scalar() == 1


@pytest.mark.parametrize("samples", [[0], [0, 0], [0, 2], [0, 1, 2]])
def test_results_that_are_not_the_chunks_own_are_refused(store: Store, samples: list[int]) -> None:
    submit_job(store, lis2(2))
    with pytest.raises(ServiceError, match="samples 0 to 1"):
        record_generated(store, claim_next(store), [record(k) for k in samples])


def test_an_energy_that_is_no_number_is_refused(store: Store) -> None:
    submit_job(store, lis2(1))
    with pytest.raises(ServiceError, match="finite"):
        record_generated(store, claim_next(store), [record(0, float("nan"))])


def test_chunks_nobody_took_are_due_again_ever_more_rarely(store: Store) -> None:
    job_id = submit_job(store, lis2(4), TWO_EACH)
    chunk_ids = list_due_chunks(store)
    waits = []
    for _ in range(3):
        assert announce_due_chunks(store, lambda _: True, 100.0, job_id=job_id) == 2
        assert list_due_chunks(store) == []
        waits.append(_seconds_until_due(store, chunk_ids[0]))
        with store.transaction() as tx:
            tx.connection.exec_driver_sql("UPDATE chunks SET due_at = created_at FROM jobs WHERE due_at IS NOT NULL")
    assert waits == pytest.approx([100, 200, 400], abs=10)


def test_announcing_stops_at_the_first_refusal(store: Store) -> None:
    submit_job(store, lis2(6), TWO_EACH)
    taken: list[str] = []

    def announce(chunk_id: str) -> bool:
        taken.append(chunk_id)
        return len(taken) < 2

    assert announce_due_chunks(store, announce, 100.0) == 1
    assert len(taken) == 2
    assert len(list_due_chunks(store)) == 2


def test_an_announcement_does_not_postpone_an_expiring_lease(store: Store) -> None:
    submit_job(store, lis2(1))
    (chunk_id,) = list_due_chunks(store)
    claim_chunk(store, chunk_id, "fast", 60)
    mark_announced(store, [chunk_id], 10_000.0)
    assert _seconds_until_due(store, chunk_id) < 61


def test_references_are_stored_once_and_come_back_as_they_were(store: Store) -> None:
    reference = Reference(name="lithium disulphide", atoms=CUBE, source="test")
    ids = add_references(store, [reference, reference])
    assert ids == [reference.id] * 2
    assert add_references(store, [reference]) == [reference.id]
    (stored,) = load_references(store, ["LiS2"], PUBLIC_GROUP)
    assert (stored, stored.id) == (reference, reference.id)
    assert load_references(store, ["Li2S"], PUBLIC_GROUP) == []


def test_known_crystals_are_there_from_the_start(store: Store) -> None:
    seed_known_crystals(store)
    seed_known_crystals(store)
    antifluorite = load_references(store, ["Li2S"], PUBLIC_GROUP)
    assert [len(reference.atoms["numbers"]) for reference in antifluorite] == [3]


PEROVSKITE = {
    "numbers": [19, 30, 9, 9, 9],
    "positions": [[0.0, 0.0, 0.0], [2.0, 2.0, 2.0], [2.0, 2.0, 0.0], [2.0, 0.0, 2.0], [0.0, 2.0, 2.0]],
    "cell": [[4.0, 0.0, 0.0], [0.0, 4.0, 0.0], [0.0, 0.0, 4.0]],
    "periodic": [True, True, True],
}


def test_prototypes_have_the_pattern_and_the_size_and_were_known_before_the_job(store: Store) -> None:
    """A chunk that is run again finds the same, whatever was added meanwhile."""

    def of_size(numbers: list[int], **fields: Any) -> Reference:
        positions = [[0.1 * k, 0.0, 0.0] for k in range(len(numbers))]
        return Reference(name="known", atoms={**PEROVSKITE, "numbers": numbers, "positions": positions, **fields})

    known = of_size([19, 30, 9, 9, 9])
    conventional = of_size([19, 30, 9, 9, 9] * 2)
    unfit = [
        of_size([19, 30, 9, 9]),
        of_size([19, 30, 9, 9, 9] * 5),
        of_size([12, 22, 8, 8, 8], periodic=[False, False, False]),
    ]
    add_references(store, [known, conventional, *unfit])
    submit_job(store, lis2(1, composition="CaTiO3"))
    claim = claim_next(store)
    expected = sorted([known, conventional], key=lambda reference: reference.id)
    assert load_prototypes(store, claim) == expected
    add_references(store, [of_size([56, 22, 8, 8, 8])])
    assert load_prototypes(store, claim) == expected
    submit_job(store, lis2(2, composition="CaTiO3", formula_units=(1, 5)))
    assert len(load_prototypes(store, claim_next(store))) == 4


def test_prototypes_are_bounded(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reference_jobs, "MAX_PROTOTYPES", 2)
    cells = ([[length, 0.0, 0.0], [0.0, 4.0, 0.0], [0.0, 0.0, 4.0]] for length in (4.0, 4.1, 4.2))
    ids = add_references(store, [Reference(name="known", atoms={**PEROVSKITE, "cell": cell}) for cell in cells])
    submit_job(store, lis2(1, composition="CaTiO3"))
    assert [found.id for found in load_prototypes(store, claim_next(store))] == sorted(ids)[:2]


def test_matches_are_stored_with_their_structure(store: Store) -> None:
    (reference_id,) = add_references(store, [Reference(name="known", atoms=CUBE)])
    job_id = run_job(store, lis2(2), [-1, -2], matches={1: [Match(reference_id=reference_id, rms=0.01)]})
    with store.reading() as tx:
        (match,) = tx.structure_views.get(f"{job_id}-00001", PUBLIC_GROUP).matches
        assert tx.job_views.get(job_id, PUBLIC_GROUP).counts.matched == 1
    assert (match.reference, match.name, match.formula, match.rms) == (reference_id, "known", "LiS2", 0.01)


def _at_once(n: int, act: Callable[[int], T]) -> list[T]:
    barrier = Barrier(n)

    def wait_and_act(k: int) -> T:
        barrier.wait()
        return act(k)

    with ThreadPoolExecutor(n) as pool:
        return list(pool.map(wait_and_act, range(n)))


def _seconds_until_due(store: Store, chunk_id: str) -> float:
    with store.reading() as tx:
        row = tx.connection.execute(chunks.select().where(chunks.c.id == chunk_id)).one()
        return float((row.due_at - read_clock(tx.connection)).total_seconds())
