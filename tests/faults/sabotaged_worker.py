"""A worker in which chunks of some seeds do what no chunk should. A script: the child of its pool runs it as well."""

from __future__ import annotations

import ctypes
import os
import signal
from typing import Any, Final

import numpy as np

from worker import execution
from worker.app import run_worker
from worker.generation import generate_chunk

KILL: Final = 1_000_001
HANG: Final = 1_000_002
EAT: Final = 1_000_003


def kill() -> None:
    """What the machine does where memory runs out."""
    os.kill(os.getpid(), signal.SIGKILL)


def hang() -> None:
    """Wait in C for ever, and let no other thread run."""
    ctypes.PyDLL(None).sleep(100_000)


def eat() -> None:
    """Ask for memory until there is none; it is never touched."""
    eaten = []
    while True:
        eaten.append(np.empty(2**26, np.uint8))


DEEDS: Final = {KILL: kill, HANG: hang, EAT: eat}


def generate_or_not(*arguments: Any) -> Any:
    """The generation of a chunk, after what its seed asks for."""
    DEEDS.get(arguments[0].spec.seed, lambda: None)()
    return generate_chunk(*arguments)


execution.generate_chunk = generate_or_not
if __name__ == "__main__":
    run_worker()
