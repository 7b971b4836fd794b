"""What users are told of an attempt that came to nothing."""

from __future__ import annotations

import pytest
from celery.exceptions import TimeLimitExceeded, WorkerLostError

from rm_engine.errors import CheckpointError
from worker.causes import describe_death, describe_error
from worker.lease import ChunkTimeoutError


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (ZeroDivisionError("a defect"), "ZeroDivisionError: a defect"),
        (KeyError(), "KeyError"),
        (MemoryError(), "out of memory (MemoryError)"),
        (
            RuntimeError("CUDA out of memory. Tried to allocate 2 GiB\nMemory summary..."),
            "out of memory (RuntimeError: CUDA out of memory. Tried to allocate 2 GiB)",
        ),
        (ValueError("no such column\n[SQL: SELECT secret FROM jobs]"), "ValueError: no such column"),
        (
            PermissionError(13, "Permission denied", "/srv/models/of mine.json"),
            "PermissionError: [Errno 13] Permission denied: 'of mine.json'",
        ),
        (CheckpointError("/srv/models/x.json is damaged (at 1/2)."), "x.json is damaged (at 1/2)."),
        (ChunkTimeoutError("time limit: it took longer than 5 s"), "time limit: it took longer than 5 s"),
        (ValueError("x" * 1000), f"ValueError: {'x' * 300}"),
    ],
)
def test_errors_are_told_without_traces_sql_and_folders(error: Exception, told: str) -> None:
    assert describe_error(error) == told


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (
            WorkerLostError("Worker exited prematurely: signal 9 (SIGKILL) Job: 3."),
            "killed by signal 9, as happens where the machine runs out of memory",
        ),
        (WorkerLostError("Worker exited prematurely: signal 11 (SIGSEGV) Job: 3."), "killed by signal 11"),
        (
            WorkerLostError("Worker exited prematurely: exitcode 155 Job: 3."),
            "its process ended by itself with status 155",
        ),
        (WorkerLostError("Worker exited prematurely"), "its process ended"),
        (TimeLimitExceeded(70), "time limit: it took longer than 60 s, and did not stop when told to"),
    ],
)
def test_deaths_are_told_in_plain_words(error: WorkerLostError | TimeLimitExceeded, told: str) -> None:
    assert describe_death(error, 60) == told
