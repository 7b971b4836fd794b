"""How much work may wait: of one request, of one key, of everybody.

Work is counted in atom-steps: atoms times relaxation steps at most, over all samples
(:attr:`rm_engine.spec.GenerationSpec.atom_steps`).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Backlog:
    """Jobs that wait or run, or how many may.

    Attributes:
        atom_steps: work of all of them at most.
        jobs: their number.
    """

    atom_steps: int
    jobs: int

    def plus_job(self, atom_steps: int) -> Backlog:
        """With one job more."""
        return Backlog(atom_steps=self.atom_steps + atom_steps, jobs=self.jobs + 1)

    def excess_over(self, bound: Backlog) -> float:
        """The share of it that is to end before it is within a bound; 0 where it is."""
        over_work, over_jobs = self.atom_steps - bound.atom_steps, self.jobs - bound.jobs
        return max(0.0, over_work / max(1, self.atom_steps), over_jobs / max(1, self.jobs))

    def __str__(self) -> str:
        return f"{self.jobs:,} jobs of {self.atom_steps:,} atom-steps"


@dataclass(frozen=True, kw_only=True)
class Quotas:
    """What may wait at most.

    Attributes:
        job: atom-steps of one job.
        key: jobs of one key.
        everybody: jobs of all keys.
    """

    job: int
    key: Backlog
    everybody: Backlog
