"""What the database holds when all is over."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import psycopg
from psycopg.rows import class_row

from service.domain import RepeatableRequest

GROUP = "storm"
"""Whose jobs a storm makes."""


@dataclass(frozen=True, kw_only=True)
class JobRow:
    """A job; times are Unix times."""

    id: str
    state: str
    seed: int
    n: int
    created_at: float
    finished_at: float | None = None


@dataclass(frozen=True, kw_only=True)
class ChunkRow:
    """A chunk."""

    id: str
    job_id: str
    state: str
    attempt: int
    lost_attempts: int


@dataclass(frozen=True, kw_only=True)
class SampleRow:
    """What was recorded of a sample: a structure, or that there is none."""

    job_id: str
    sample: int


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """The rows that a checker looks at.

    Attributes:
        jobs: all jobs.
        chunks: all chunks.
        samples: a row for each structure and each failed sample.
        keys: the job that each idempotency key is bound to, by the key's digest.
    """

    jobs: tuple[JobRow, ...]
    chunks: tuple[ChunkRow, ...]
    samples: tuple[SampleRow, ...]
    keys: Mapping[str, str]


def read_snapshot(database_url: str) -> Snapshot:
    """Read it in one transaction."""
    with psycopg.connect(database_url) as connection:
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        jobs = connection.cursor(row_factory=class_row(JobRow)).execute(
            "SELECT id, state, (spec->>'seed')::bigint AS seed, n, extract(epoch FROM created_at)::float AS created_at,"
            " extract(epoch FROM finished_at)::float AS finished_at FROM jobs ORDER BY id"
        )
        chunks = connection.cursor(row_factory=class_row(ChunkRow)).execute(
            "SELECT id, job_id, state, attempt, lost_attempts FROM chunks ORDER BY id"
        )
        samples = connection.cursor(row_factory=class_row(SampleRow)).execute(
            "SELECT job_id, sample FROM structures UNION ALL SELECT job_id, sample FROM failed_samples"
        )
        keys = connection.execute("SELECT digest, job_id FROM idempotency_keys")
        return Snapshot(jobs=tuple(jobs), chunks=tuple(chunks), samples=tuple(samples), keys=dict(keys.fetchall()))


def digest_of(key: str) -> str:
    """What is stored of an idempotency key."""
    return RepeatableRequest.of(key, {}, GROUP).digest
