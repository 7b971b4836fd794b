"""States of jobs and chunks, and which may follow which."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final, TypeVar


class JobState(StrEnum):
    """Where a job stands."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


class ChunkState(StrEnum):
    """Where a chunk stands; a ``waiting`` chunk becomes ``queued`` when the chunks it builds on are done."""

    WAITING = "waiting"
    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


class ChunkKind(StrEnum):
    """What a chunk asks of a worker."""

    GENERATE = "generate"
    """Make what the job asks for: relax a contiguous range of samples together, or train a model."""

    ANALYSE = "analyse"
    """Find duplicates over the whole job and refresh the pseudo hulls that its structures change."""


class LeaseStatus(StrEnum):
    """What a worker learns when it renews its lease."""

    HELD = "held"
    LOST = "lost"
    """Somebody else has the chunk, or it is over: stop, nothing would be recorded."""

    CANCELLED = "cancelled"
    """The job was cancelled: stop."""


JOB_TRANSITIONS: Final[Mapping[JobState, frozenset[JobState]]] = {
    JobState.QUEUED: frozenset({JobState.RUNNING, JobState.FAILED, JobState.CANCELLED}),
    JobState.RUNNING: frozenset({JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED}),
    JobState.SUCCEEDED: frozenset(),
    JobState.FAILED: frozenset(),
    JobState.CANCELLED: frozenset(),
}

CHUNK_TRANSITIONS: Final[Mapping[ChunkState, frozenset[ChunkState]]] = {
    ChunkState.WAITING: frozenset({ChunkState.QUEUED, ChunkState.CANCELLED}),
    ChunkState.QUEUED: frozenset({ChunkState.RUNNING, ChunkState.CANCELLED}),
    ChunkState.RUNNING: frozenset(
        # to itself: another worker takes over an expired lease
        {ChunkState.RUNNING, ChunkState.QUEUED, ChunkState.SUCCEEDED, ChunkState.FAILED, ChunkState.CANCELLED}
    ),
    ChunkState.SUCCEEDED: frozenset(),
    ChunkState.FAILED: frozenset(),
    ChunkState.CANCELLED: frozenset(),
}

_State = TypeVar("_State", JobState, ChunkState)


def states_before(state: _State, transitions: Mapping[_State, frozenset[_State]]) -> frozenset[_State]:
    """The states from which ``state`` may be reached in one step: the "compare" of a compare-and-set."""
    return frozenset(origin for origin, targets in transitions.items() if state in targets)


TERMINAL_JOB_STATES: Final = frozenset(state for state, targets in JOB_TRANSITIONS.items() if not targets)
OPEN_JOB_STATES: Final = frozenset(JobState) - TERMINAL_JOB_STATES
OPEN_CHUNK_STATES: Final = frozenset(state for state, targets in CHUNK_TRANSITIONS.items() if targets)
