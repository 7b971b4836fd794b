"""What a storm came to, in figures."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from storm.checker import Evidence, Rule, Violation
from storm.faults import FaultKind
from storm.history import Action


@dataclass(frozen=True)
class Injected:
    """A fault that happened, at a Unix time."""

    kind: FaultKind
    at: float


@dataclass(frozen=True)
class Report:
    """What a storm came to.

    Attributes:
        seed: of the storm.
        seconds: from its first fault to the end of the last job.
        faults: how many of each kind.
        recovery_seconds: of each kind, the longest time from a fault to the end of the first job submitted after it.
        jobs: how many in each final state.
        requests: of the clients.
        retries: submissions sent again under their key.
        errors: how many requests were answered by each status of 429, 500 and above, or not at all (0).
        attempts: of chunks.
        lost_attempts: of those, the ones whose worker fell silent.
        replayed: jobs that were run again, undisturbed, to compare their structures bit by bit.
        settle_seconds: from the last fault to the end of the last job.
        broken: how often each promise was broken.
        violations: each of these.
    """

    seed: int
    seconds: float
    faults: dict[str, int]
    recovery_seconds: dict[str, float]
    jobs: dict[str, int]
    requests: int
    retries: int
    errors: dict[int, int]
    attempts: int
    lost_attempts: int
    replayed: int
    settle_seconds: float
    broken: dict[str, int]
    violations: list[Violation]

    def to_json(self) -> str:
        """As a JSON document."""
        return json.dumps(asdict(self), indent=2)

    def to_rows(self) -> list[tuple[str, str]]:
        """As a table."""
        return [
            *((kind, f"{n}, recovery {self.recovery_seconds[kind]:.1f} s") for kind, n in self.faults.items()),
            ("faults", str(sum(self.faults.values()))),
            ("jobs accepted", str(sum(self.jobs.values()))),
            *((f"jobs {state}", str(n)) for state, n in self.jobs.items()),
            *((rule, str(n)) for rule, n in self.broken.items()),
            ("requests", str(self.requests)),
            ("submissions sent again", str(self.retries)),
            *((f"answers {status}" if status else "no answer", str(n)) for status, n in self.errors.items()),
            ("attempts of chunks", str(self.attempts)),
            ("attempts lost", str(self.lost_attempts)),
            ("jobs compared bit by bit", str(self.replayed)),
            ("longest recovery", f"{max(self.recovery_seconds.values()):.1f} s"),
            ("all done after the last fault", f"{self.settle_seconds:.1f} s"),
            ("took", f"{self.seconds:.0f} s"),
        ]


def make_report(
    seed: int, faults: Sequence[Injected], evidence: Evidence, n_replayed: int, violations: Sequence[Violation]
) -> Report:
    """Count."""
    snapshot, history = evidence.snapshot, evidence.history
    ends = sorted((job.created_at, job.finished_at) for job in snapshot.jobs if job.finished_at is not None)
    last_end = max((end for _, end in ends), default=faults[-1].at)
    recovery = dict.fromkeys(FaultKind, 0.0)
    for fault in faults:
        recovered_at = min((end for begin, end in ends if begin > fault.at), default=fault.at)
        recovery[fault.kind] = max(recovery[fault.kind], recovered_at - fault.at)
    broken = Counter(violation.rule for violation in violations)
    errors = Counter(exchange.status or 0 for exchange in history if not exchange.is_final)
    kinds = Counter(fault.kind for fault in faults)
    return Report(
        seed=seed,
        seconds=last_end - faults[0].at,
        faults={kind.value: kinds[kind] for kind in FaultKind},
        recovery_seconds={kind.value: seconds for kind, seconds in recovery.items()},
        jobs=dict(Counter(job.state for job in snapshot.jobs)),
        requests=len(history),
        retries=sum(len(exchanges) for exchanges in evidence.submissions.values())
        - len({(exchange.key, exchange.seed) for exchange in history if exchange.action is Action.SUBMIT}),
        errors=dict(sorted(errors.items())),
        attempts=sum(chunk.attempt for chunk in snapshot.chunks),
        lost_attempts=sum(chunk.lost_attempts for chunk in snapshot.chunks),
        replayed=n_replayed,
        settle_seconds=last_end - faults[-1].at,
        broken={rule.value: broken[rule] for rule in Rule},
        violations=list(violations),
    )
