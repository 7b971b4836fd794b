"""How much waits and runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from service.domain.states import ChunkState, JobState


@dataclass(frozen=True, kw_only=True)
class QueueDepth:
    """What is not finished, all groups together.

    Attributes:
        jobs: number of jobs by state.
        atom_steps: work of these jobs at most: atoms × relaxation steps, summed over samples.
        chunks: number of chunks by state; analyses that wait for the samples of their job are none.
        oldest_seconds: age of the oldest job of which samples wait for a worker; 0 where none do.
    """

    jobs: Mapping[JobState, int]
    atom_steps: Mapping[JobState, int]
    chunks: Mapping[ChunkState, int]
    oldest_seconds: float
