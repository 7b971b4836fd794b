"""What is let in and what is not, on both databases: exactly, also by many at once, and cheaply by a long queue."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest
from databases import claim_next, explaining, lis2, record
from sqlalchemy import insert, update

from rm_engine.errors import InputError
from service.domain import ANONYMOUS, FailedSample, Principal, RepeatableRequest
from service.domain.errors import NoRoomError, QueueFullError, QuotaExceededError
from service.domain.quotas import Backlog, Quotas
from service.jobs import cancel_job, fail_chunk, list_due_chunks, record_analysis, record_generated, submit_job
from service.store import Store
from service.store.engine import read_clock
from service.store.tables import jobs

WORK = lis2(4).atom_steps
NO_BOUND = Backlog(atom_steps=10**15, jobs=10**9)
FIVE = Quotas(job=10 * WORK, key=Backlog(atom_steps=5 * WORK, jobs=10**9), everybody=NO_BOUND)
OTHER = Principal(key_id="other", group="theirs", scopes=ANONYMOUS.scopes)


def submit(
    store: Store, quotas: Quotas = FIVE, principal: Principal = ANONYMOUS, request: RepeatableRequest | None = None
) -> str:
    return submit_job(store, lis2(4), principal=principal, quotas=quotas, request=request)


def fill(store: Store, n: int, quotas: Quotas = FIVE, principal: Principal = ANONYMOUS) -> list[str]:
    return [submit(store, quotas, principal) for _ in range(n)]


def test_a_key_may_have_so_much_waiting_and_no_more(store: Store) -> None:
    fill(store, 5)
    with pytest.raises(QuotaExceededError, match=f"You have 5 jobs of {5 * WORK:,} atom-steps waiting or running"):
        submit(store)
    assert submit(store, principal=OTHER), "what others have does not count"


def test_a_key_may_have_a_quota_of_its_own(store: Store) -> None:
    generous = replace(ANONYMOUS, max_queued_atom_steps=7 * WORK)
    fill(store, 7, principal=generous)
    with pytest.raises(QuotaExceededError):
        submit(store, principal=generous)
    with pytest.raises(InputError, match="a job may have 0"):
        submit(store, principal=replace(OTHER, max_queued_atom_steps=0))


def test_jobs_are_counted_as_well_as_their_work(store: Store) -> None:
    quotas = replace(FIVE, key=replace(NO_BOUND, jobs=2))
    fill(store, 2, quotas)
    with pytest.raises(QuotaExceededError):
        submit(store, quotas)


@pytest.mark.parametrize("bound", [replace(NO_BOUND, jobs=3), replace(NO_BOUND, atom_steps=3 * WORK)])
def test_all_keys_share_a_bound(store: Store, bound: Backlog) -> None:
    quotas = replace(FIVE, everybody=bound)
    fill(store, 2, quotas)
    submit(store, quotas, OTHER)
    with pytest.raises(QueueFullError, match="All users together have 3 jobs"):
        submit(store, quotas, OTHER)


def test_a_job_that_could_never_be_let_in_is_bad_input(store: Store) -> None:
    with pytest.raises(InputError, match="4 structures of up to 3 atoms, relaxed for up to 2,000 steps") as caught:
        submit(store, replace(FIVE, job=WORK - 1))
    assert (caught.value.field, caught.value.code) == ("n", "too_much_work")
    assert "Lower n, formula_units or max_steps" in caught.value.hint


def succeed(store: Store) -> None:
    claim = claim_next(store)
    assert record_generated(store, claim, [record(k) for k in range(4)])
    analysis = claim_next(store)
    assert record_analysis(store, analysis, {}, {}, "")


def fail(store: Store) -> None:
    assert fail_chunk(store, claim_next(store), "broken")


def find_nothing(store: Store) -> None:
    assert record_generated(store, claim_next(store), [], [FailedSample(sample=k, reason="exploded") for k in range(4)])


def cancel(store: Store) -> None:
    (chunk_id, *_) = list_due_chunks(store)
    cancel_job(store, chunk_id.rpartition("-")[0], ANONYMOUS.group)


@pytest.mark.parametrize("end", [succeed, fail, find_nothing, cancel])
def test_a_job_that_is_over_makes_room(store: Store, end: Callable[[Store], None]) -> None:
    fill(store, 5)
    end(store)
    submit(store)
    with pytest.raises(QuotaExceededError):
        submit(store)


def test_a_job_that_runs_still_counts(store: Store) -> None:
    fill(store, 5)
    claim_next(store)
    with pytest.raises(QuotaExceededError):
        submit(store)


def test_a_request_that_has_given_a_job_gives_it_again_whatever_waits(store: Store) -> None:
    request = RepeatableRequest.of("key", {"n": 4}, ANONYMOUS.group)
    job_id = submit(store, request=request)
    fill(store, 4)
    assert submit(store, request=request) == job_id
    assert submit(store, replace(FIVE, job=1), request=request) == job_id, "nor how large it may be by now"


def test_a_request_that_is_refused_leaves_its_key_free(store: Store) -> None:
    request = RepeatableRequest.of("key", {"n": 4}, ANONYMOUS.group)
    fill(store, 5)
    with pytest.raises(QuotaExceededError):
        submit(store, request=request)
    cancel(store)
    submit(store, request=request)


def test_many_at_once_do_not_pass_a_quota_together(store: Store) -> None:
    def try_to(number: int) -> bool:
        try:
            submit(store, principal=(ANONYMOUS, OTHER)[number % 2])
        except QuotaExceededError:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        accepted = list(pool.map(try_to, range(40)))
    assert (sum(accepted[::2]), sum(accepted[1::2])) == (5, 5)


def refuse(store: Store, quotas: Quotas = FIVE) -> NoRoomError:
    with pytest.raises(NoRoomError) as caught:
        submit(store, quotas)
    return caught.value


def test_whoever_is_refused_is_told_when_there_will_be_room(store: Store) -> None:
    quotas = replace(FIVE, key=replace(FIVE.key, atom_steps=100 * WORK))
    fill(store, 100, quotas)
    assert refuse(store, quotas).retry_after_seconds == 60, "nothing to go by"
    succeed(store)
    _let_the_last_take(store, 1000)
    submit(store, quotas)
    # one job in 1,000 s; of 101 one is to end
    assert refuse(store, quotas).retry_after_seconds == pytest.approx(1000 * 100 / 101, abs=20)
    _let_the_last_take(store, 1_000_000)
    assert refuse(store, quotas).retry_after_seconds == 3600
    _let_the_last_take(store, 1)
    assert refuse(store, quotas).retry_after_seconds == 5


def _let_the_last_take(store: Store, seconds: float) -> None:
    with store.transaction() as tx:
        when = read_clock(tx.connection) - timedelta(seconds=seconds)
        tx.connection.execute(update(jobs).where(jobs.c.finished_at.is_not(None)).values(finished_at=when))


def test_a_long_queue_is_counted_from_an_index(store: Store) -> None:
    with store.transaction() as tx:
        now = read_clock(tx.connection)
        row = {"spec": {}, "n": 1, "atom_steps": WORK, "created_at": now}
        rows = [{**row, "id": f"{k:026d}", "state": "queued", "key_id": f"{k % 5}"} for k in range(2000)]
        done = [{**row, "id": f"{k:026d}", "state": "succeeded", "finished_at": now} for k in range(2000, 20_000)]
        tx.connection.execute(insert(jobs), rows)
        tx.connection.execute(insert(jobs), done)
        if tx.connection.dialect.name == "postgresql":
            tx.connection.exec_driver_sql("ANALYZE jobs")
    with store.reading() as tx, explaining(tx.connection) as plans:
        own, everybody = tx.backlogs.of("3")
        tx.backlogs.pace()
    assert (own.jobs, everybody.jobs, everybody.atom_steps) == (400, 2000, 2000 * WORK)
    assert "ix_jobs_open" in plans[0]
    assert "ix_jobs_done" in plans[1]
