"""The checker finds every broken promise: each forgery is reported as what it is, and nothing else is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from storm.checker import Evidence, Rule, check
from storm.history import Action, Exchange
from storm.snapshot import ChunkRow, JobRow, SampleRow, Snapshot, digest_of

DEADLINE = 100.0
DONE, CANCELLED = "job-1", "job-2"

JOBS = (
    JobRow(id=DONE, state="succeeded", seed=1, n=2, created_at=1.0, finished_at=50.0),
    JobRow(id=CANCELLED, state="cancelled", seed=2, n=2, created_at=2.0, finished_at=3.0),
)
CHUNKS = tuple(
    ChunkRow(id=f"{job}-{k}", job_id=job, state=state, attempt=1, lost_attempts=0)
    for job, state in ((DONE, "succeeded"), (CANCELLED, "cancelled"))
    for k in range(2)
)
SAMPLES = (SampleRow(job_id=DONE, sample=0), SampleRow(job_id=DONE, sample=1))
SNAPSHOT = Snapshot(
    jobs=JOBS, chunks=CHUNKS, samples=SAMPLES, keys={digest_of("k-1"): DONE, digest_of("k-2"): CANCELLED}
)


def ask(number: int, action: Action, **fields: Any) -> Exchange:
    """An exchange in second ``number``."""
    return Exchange(number=number, action=action, sent_at=float(number), answered_at=number + 0.5, **fields)


def submit(number: int, key: str, seed: int, status: int | None, job: str = "", **fields: Any) -> Exchange:
    return ask(number, Action.SUBMIT, key=key, seed=seed, status=status, job=job, **fields)


def read(number: int, job: str, state: str, status: int = 200) -> Exchange:
    return ask(number, Action.READ, job=job, state=state, status=status)


HISTORY = (
    submit(1, "k-1", 1, None),
    submit(2, "k-1", 1, 503),
    submit(3, "k-1", 1, 202, DONE, state="queued"),
    submit(4, "k-1", 99, 422),
    submit(5, "k-2", 2, 202, CANCELLED, state="queued"),
    ask(6, Action.CANCEL, job=CANCELLED, status=200, state="cancelled"),
    read(7, DONE, "running"),
    read(8, DONE, "succeeded"),
    ask(9, Action.CANCEL, job=DONE, status=409),
    read(10, CANCELLED, "cancelled"),
)
GOOD = Evidence(HISTORY, SNAPSHOT, DEADLINE)


def with_history(*more: Exchange) -> Evidence:
    return replace(GOOD, history=(*HISTORY, *more))


def with_snapshot(**changed: Any) -> Evidence:
    return replace(GOOD, snapshot=replace(SNAPSHOT, **changed))


def with_job(**changed: Any) -> Evidence:
    """The job that succeeded, changed."""
    return with_snapshot(jobs=(replace(JOBS[0], **changed), JOBS[1]))


def without_job() -> Evidence:
    """The job that succeeded was never stored."""
    return with_snapshot(jobs=JOBS[1:], chunks=CHUNKS[2:], samples=(), keys={digest_of("k-2"): CANCELLED})


def with_another_job(seed: int, key: str) -> Evidence:
    """One more job that succeeded, bound to a key."""
    job = replace(JOBS[0], id="job-3", seed=seed, n=1)
    return with_snapshot(
        jobs=(*JOBS, job),
        samples=(*SAMPLES, SampleRow(job_id="job-3", sample=0)),
        keys={**SNAPSHOT.keys, digest_of(key): "job-3"},
    )


def with_second_body_accepted() -> Evidence:
    return replace(GOOD, history=tuple(replace(e, status=202, job=DONE) if e.seed == 99 else e for e in HISTORY))


FORGERIES: dict[str, tuple[Callable[[], Evidence], set[Rule]]] = {
    "an accepted job is not there": (without_job, {Rule.LOST}),
    "a client no longer finds its job": (lambda: with_history(read(20, DONE, "", 404)), {Rule.LOST}),
    "a key is bound to a job that is not there": (
        lambda: with_snapshot(keys={**SNAPSHOT.keys, digest_of("k-3"): "job-3"}),
        {Rule.LOST},
    ),
    "a key was answered with two jobs": (
        lambda: with_history(submit(20, "k-1", 1, 202, CANCELLED)),
        {Rule.DOUBLED},
    ),
    "two jobs were made of a request": (lambda: with_another_job(1, "k-3"), {Rule.DOUBLED}),
    "two jobs were made under a key, of two requests": (
        lambda: with_another_job(99, "k-3"),
        {Rule.DOUBLED, Rule.PHANTOM},
    ),
    "a sample was recorded twice": (lambda: with_snapshot(samples=(*SAMPLES, SAMPLES[0])), {Rule.DOUBLED}),
    "a job that nobody asked for": (lambda: with_another_job(7, "k-3"), {Rule.PHANTOM}),
    "a job whose request was refused": (
        lambda: replace(with_another_job(7, "k-3"), history=(*HISTORY, submit(20, "k-3", 7, 422))),
        {Rule.PHANTOM, Rule.MISANSWERED},
    ),
    "a job that no key is bound to": (
        lambda: with_snapshot(keys={digest_of("k-1"): DONE}),
        {Rule.PHANTOM},
    ),
    "a job is still running": (
        lambda: replace(with_job(state="running", finished_at=None), history=HISTORY[:7]),
        {Rule.UNFINISHED},
    ),
    "a job failed": (lambda: replace(with_job(state="failed"), history=HISTORY[:7]), {Rule.FAILED}),
    "a job was cancelled that nobody cancelled": (
        lambda: replace(GOOD, history=[e for e in HISTORY if e.action is not Action.CANCEL]),
        {Rule.FAILED},
    ),
    "a job ended too late": (lambda: with_job(finished_at=DEADLINE + 1), {Rule.LATE}),
    "a sample is missing": (lambda: with_snapshot(samples=SAMPLES[:1]), {Rule.INCOMPLETE}),
    "a sample is of no job's range": (
        lambda: with_snapshot(samples=(*SAMPLES, SampleRow(job_id=DONE, sample=2))),
        {Rule.INCOMPLETE},
    ),
    "a chunk of a job that succeeded did not": (
        lambda: with_snapshot(chunks=(replace(CHUNKS[0], state="failed"), *CHUNKS[1:])),
        {Rule.INCOMPLETE},
    ),
    "a chunk of a cancelled job still runs": (
        lambda: with_snapshot(chunks=(*CHUNKS[:3], replace(CHUNKS[3], state="running"))),
        {Rule.INCOMPLETE},
    ),
    "a job came back to life": (lambda: with_history(read(20, DONE, "running")), {Rule.CHANGED}),
    "a cancelled job succeeded in a client's eyes": (
        lambda: with_history(read(20, CANCELLED, "succeeded")),
        {Rule.CHANGED},
    ),
    "a job that succeeded is cancelled in the end": (
        lambda: with_snapshot(
            jobs=(replace(JOBS[0], state="cancelled"), JOBS[1]),
            chunks=tuple(replace(chunk, state="cancelled") for chunk in CHUNKS),
        ),
        {Rule.CHANGED},
    ),
    "a submission was answered 500": (lambda: with_history(submit(20, "k-1", 1, 500)), {Rule.MISANSWERED}),
    "a read was answered 500": (lambda: with_history(read(20, DONE, "", 500)), {Rule.MISANSWERED}),
    "a client of ours was turned away": (lambda: with_history(read(20, DONE, "", 403)), {Rule.MISANSWERED}),
    "another body was accepted under a key": (with_second_body_accepted, {Rule.MISANSWERED}),
    "the same body was refused under its key": (lambda: with_history(submit(20, "k-1", 1, 422)), {Rule.MISANSWERED}),
    "a key that stands for nothing was refused": (
        lambda: with_history(submit(20, "k-4", 4, 409)),
        {Rule.MISANSWERED},
    ),
    "a client was never answered": (lambda: with_history(submit(20, "k-4", 4, None)), {Rule.UNANSWERED}),
}


def test_a_clean_storm_passes() -> None:
    assert check(GOOD) == []


@pytest.mark.parametrize("name", FORGERIES)
def test_a_forgery_is_found(name: str) -> None:
    forge, expected = FORGERIES[name]
    assert {violation.rule for violation in check(forge())} == expected


def test_every_promise_that_the_checker_knows_is_tested() -> None:
    assert set().union(*(rules for _, rules in FORGERIES.values())) == set(Rule) - {Rule.DIFFERENT}


def test_a_job_of_an_answer_that_got_lost_is_no_phantom() -> None:
    """The request had its effect, its answer did not arrive, and the client asked again."""
    assert check(replace(GOOD, history=[e for e in HISTORY if e.number != 2])) == []


def test_what_was_asked_before_the_end_was_seen_may_be_answered_after_it() -> None:
    """An answer that was on its way for long says how it was, not how it is."""
    slow = replace(read(7, DONE, "running"), number=11, answered_at=30.0)
    assert check(with_history(slow)) == []
