"""Why an attempt came to nothing, in a line for whoever asked for the job: no traces, no SQL, no folders."""

from __future__ import annotations

import re
from typing import Final

from celery.exceptions import TimeLimitExceeded, WorkerLostError

from rm_engine.errors import RMEngineError
from service.domain import ServiceError

_FOLDER: Final = re.compile(r"(?<![\w.:/])/(?:[^\s/'\":]+/)+")
_END: Final = re.compile(r"signal (\d+)|exitcode (-?\d+)")
_MAX_LENGTH: Final = 300
_OUT_OF_MEMORY: Final = ("not enough memory", "can't allocate memory", "out of memory")


class ChunkStoppedError(Exception):
    """Root of the reasons to leave a chunk before its end; the message is for people."""


def describe_error(error: Exception) -> str:
    """What broke: the first line of the message, after the error's name unless it was raised on purpose.

    What follows is not for everybody: SQL and its values, the state of an allocator.
    """
    message = _FOLDER.sub("", str(error).partition("\n")[0])[:_MAX_LENGTH]
    if isinstance(error, RMEngineError | ServiceError | ChunkStoppedError):
        return message
    named = f"{type(error).__name__}: {message}" if message else type(error).__name__
    return f"out of memory ({named})" if _is_out_of_memory(error) else named


def describe_death(error: WorkerLostError | TimeLimitExceeded, limit_seconds: float) -> str:
    """How the process of an attempt ended."""
    if isinstance(error, TimeLimitExceeded):
        return f"time limit: it took longer than {limit_seconds:g} s, and did not stop when told to"
    match _END.search(str(error)):
        case re.Match() as found if found[1] == "9":
            return "killed by signal 9, as happens where the machine runs out of memory"
        case re.Match() as found if found[1]:
            return f"killed by signal {found[1]}"
        case re.Match() as found:
            return f"its process ended by itself with status {found[2]}"
    return "its process ended"


def _is_out_of_memory(error: Exception) -> bool:
    """By the message: the parent, which describes deaths, has no torch to ask."""
    return isinstance(error, MemoryError) or any(words in str(error).lower() for words in _OUT_OF_MEMORY)
