"""Ids that sort by time: a job's is a ULID, a chunk's or a structure's is the job's id and a number.

So ids need no round trip to the database, the sample's place in its job is unique by construction, and the order of ids
is the order of pages.
"""

from __future__ import annotations

import re
import secrets
import time
from typing import Final

_ALPHABET: Final = "0123456789abcdefghjkmnpqrstvwxyz"
_RANDOM_BITS: Final = 80
JOB_ID_PATTERN: Final = f"[{_ALPHABET}]{{26}}"
STRUCTURE_ID_PATTERN: Final = JOB_ID_PATTERN + "-[0-9]{5}"
_JOB_ID: Final = re.compile(JOB_ID_PATTERN)
_STRUCTURE_ID: Final = re.compile(STRUCTURE_ID_PATTERN)


def new_job_id() -> str:
    """A new ULID in lower case: 48 bits of Unix milliseconds, 80 random bits, 26 characters."""
    number = time.time_ns() // 1_000_000 << _RANDOM_BITS | secrets.randbits(_RANDOM_BITS)
    return "".join(_ALPHABET[number >> shift & 31] for shift in range(125, -1, -5))


def chunk_id_of(job_id: str, ordinal: int) -> str:
    """Id of a job's chunk, e.g. ``...-c003``."""
    return f"{job_id}-c{ordinal:05d}"


def structure_id_of(job_id: str, sample: int) -> str:
    """Id of the structure that came of a job's sample, e.g. ``...-00017``."""
    return f"{job_id}-{sample:05d}"


def is_job_id(text: str) -> bool:
    """Whether ``text`` has the form of a job id."""
    return _JOB_ID.fullmatch(text) is not None


def is_structure_id(text: str) -> bool:
    """Whether ``text`` has the form of a structure id."""
    return _STRUCTURE_ID.fullmatch(text) is not None
