"""Whether the service kept its promises, judged by what clients saw and what the database holds.

A job is told by its seed: every body that a client sends has one of its own. A request that was answered by a server
error, or not at all, may or may not have had its effect; its client asks again until it knows.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

from storm.history import Action, Exchange
from storm.snapshot import JobRow, Snapshot, digest_of

TERMINAL = frozenset({"succeeded", "failed", "cancelled"})
BUSY = frozenset({429, 503})
REFUSED = frozenset({409, 422})


class Rule(StrEnum):
    """A promise, named by how it is broken."""

    LOST = "lost"
    DOUBLED = "doubled"
    PHANTOM = "phantom"
    UNFINISHED = "unfinished"
    FAILED = "failed"
    INCOMPLETE = "incomplete"
    CHANGED = "changed"
    MISANSWERED = "misanswered"
    UNANSWERED = "unanswered"
    LATE = "late"
    DIFFERENT = "different"


@dataclass(frozen=True)
class Violation:
    """A broken promise."""

    rule: Rule
    subject: str
    detail: str


@dataclass(frozen=True)
class Evidence:
    """What is known of a storm.

    Attributes:
        history: all exchanges.
        snapshot: the database after it.
        deadline: Unix time by which every job should have ended.
    """

    history: Sequence[Exchange]
    snapshot: Snapshot
    deadline: float

    @cached_property
    def jobs(self) -> Mapping[str, JobRow]:
        """Jobs of the database by id."""
        return {job.id: job for job in self.snapshot.jobs}

    @cached_property
    def submissions(self) -> Mapping[str, Sequence[Exchange]]:
        """Submissions by key."""
        return _group(exchange for exchange in self.history if exchange.action is Action.SUBMIT)

    @cached_property
    def keys_of_seeds(self) -> Mapping[int | None, str]:
        """The key under which each body was sent."""
        return {exchange.seed: key for key, exchanges in self.submissions.items() for exchange in exchanges}

    def seed_of(self, key: str) -> int | None:
        """The body that a key stands for; None where it stands for none."""
        job = self.jobs.get(self.snapshot.keys.get(digest_of(key), ""))
        accepted = (exchange.seed for exchange in self.submissions[key] if exchange.status == 202)
        return next(accepted, None) if job is None else job.seed


def check(evidence: Evidence) -> list[Violation]:
    """Every broken promise."""
    return [violation for rule in _RULES for violation in rule(evidence)]


def _find_lost(evidence: Evidence) -> Iterator[Violation]:
    """Every accepted job is there, and every key's job."""
    for exchange in evidence.history:
        if exchange.status == 202 and exchange.job not in evidence.jobs:
            yield Violation(Rule.LOST, exchange.job, f"accepted under key {exchange.key}")
        if exchange.status == 404:
            yield Violation(Rule.LOST, exchange.job, f"an accepted job was not found by {exchange.action}")
    for digest, job in evidence.snapshot.keys.items():
        if job not in evidence.jobs:
            yield Violation(Rule.LOST, job, f"the key of digest {digest} is bound to it")


def _find_doubled(evidence: Evidence) -> Iterator[Violation]:
    """A key has one job, a sample one result."""
    found: dict[str, set[str]] = defaultdict(set)
    for job in evidence.snapshot.jobs:
        found[evidence.keys_of_seeds.get(job.seed, "")].add(job.id)
    for key, exchanges in evidence.submissions.items():
        jobs = found[key] | {exchange.job for exchange in exchanges if exchange.status == 202}
        if len(jobs) > 1:
            yield Violation(Rule.DOUBLED, key, f"jobs {', '.join(sorted(jobs))} under one key")
    for row, n in Counter(evidence.snapshot.samples).items():
        if n > 1:
            yield Violation(Rule.DOUBLED, row.job_id, f"sample {row.sample} was recorded {n} times")


def _find_phantoms(evidence: Evidence) -> Iterator[Violation]:
    """A job comes of a request that was accepted or not answered for good, and is bound to its key."""
    by_seed: dict[int | None, list[Exchange]] = defaultdict(list)
    for exchanges in evidence.submissions.values():
        for exchange in exchanges:
            by_seed[exchange.seed].append(exchange)
    bound = set(evidence.snapshot.keys.values())
    for job in evidence.snapshot.jobs:
        if all(exchange.is_final and exchange.status != 202 for exchange in by_seed[job.seed]):
            yield Violation(Rule.PHANTOM, job.id, f"nobody was told that seed {job.seed} is accepted")
        if job.id not in bound:
            yield Violation(Rule.PHANTOM, job.id, "no key is bound to it")


def _find_unfinished(evidence: Evidence) -> Iterator[Violation]:
    """Every job ends, in time, as it was asked to."""
    cancelled = {exchange.job for exchange in evidence.history if exchange.action is Action.CANCEL}
    for job in evidence.snapshot.jobs:
        if job.state not in TERMINAL:
            yield Violation(Rule.UNFINISHED, job.id, f"it is {job.state}")
        if job.state == "failed" or (job.state == "cancelled" and job.id not in cancelled):
            yield Violation(Rule.FAILED, job.id, f"it was {job.state}, and nobody asked for that")
        if job.finished_at is not None and job.finished_at > evidence.deadline:
            yield Violation(Rule.LATE, job.id, f"it ended {job.finished_at - evidence.deadline:.1f} s too late")


def _find_incomplete(evidence: Evidence) -> Iterator[Violation]:
    """A job that succeeded has every sample and succeeded chunks only; no chunk of an ended job is left to run."""
    samples: dict[str, set[int]] = defaultdict(set)
    for row in evidence.snapshot.samples:
        samples[row.job_id].add(row.sample)
    for job in evidence.snapshot.jobs:
        if job.state == "succeeded" and samples[job.id] != set(range(job.n)):
            yield Violation(Rule.INCOMPLETE, job.id, f"samples {sorted(samples[job.id])} of {job.n}")
    for chunk in evidence.snapshot.chunks:
        state = evidence.jobs[chunk.job_id].state if chunk.job_id in evidence.jobs else "missing"
        allowed = {"succeeded"} if state == "succeeded" else TERMINAL
        if state in TERMINAL and chunk.state not in allowed:
            yield Violation(Rule.INCOMPLETE, chunk.id, f"it is {chunk.state} in a job that {state}")


def _find_changed(evidence: Evidence) -> Iterator[Violation]:
    """A terminal state that was seen is seen ever after."""
    ended: dict[str, tuple[str, float]] = {}
    answered = [exchange for exchange in evidence.history if exchange.answered_at is not None and exchange.state]
    for exchange in sorted(answered, key=lambda exchange: exchange.answered_at or 0.0):
        if exchange.state in TERMINAL:
            ended.setdefault(exchange.job, (exchange.state, exchange.answered_at or 0.0))
    for exchange in answered:
        state, since = ended.get(exchange.job, ("", 0.0))
        if state and exchange.sent_at > since and exchange.state != state:
            yield Violation(Rule.CHANGED, exchange.job, f"{state}, later {exchange.state}")
    for job, (state, _) in ended.items():
        if job in evidence.jobs and evidence.jobs[job].state != state:
            yield Violation(Rule.CHANGED, job, f"{state}, in the end {evidence.jobs[job].state}")


def _find_misanswered(evidence: Evidence) -> Iterator[Violation]:
    """Answers are those that the interface promises: never a 500, and no two bodies under a key."""
    for exchange in evidence.history:
        if exchange.status is not None and exchange.status not in _promised(exchange, evidence) | BUSY:
            yield Violation(
                Rule.MISANSWERED, exchange.key or exchange.job, f"{exchange.action}: {exchange.status} {exchange.error}"
            )
    for key, exchanges in evidence.submissions.items():
        if not any(exchange.is_final for exchange in exchanges):
            yield Violation(Rule.UNANSWERED, key, f"{len(exchanges)} requests without an answer")


def _promised(exchange: Exchange, evidence: Evidence) -> frozenset[int]:
    if exchange.action is Action.READ:
        return frozenset({200, 404})  # the latter is reported as lost
    if exchange.action is Action.CANCEL:
        return frozenset({200, 404, 409})
    return frozenset({202}) if evidence.seed_of(exchange.key) in {exchange.seed, None} else REFUSED


def _group(exchanges: Iterator[Exchange]) -> Mapping[str, Sequence[Exchange]]:
    groups: dict[str, list[Exchange]] = defaultdict(list)
    for exchange in exchanges:
        groups[exchange.key].append(exchange)
    return groups


_RULES: tuple[Callable[[Evidence], Iterator[Violation]], ...] = (
    _find_lost,
    _find_doubled,
    _find_phantoms,
    _find_unfinished,
    _find_incomplete,
    _find_changed,
    _find_misanswered,
)
