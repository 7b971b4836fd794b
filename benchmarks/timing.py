"""Clocks, and the order in which things that are compared take turns."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch

Action = Callable[[], object]


def use_one_core() -> None:
    """Let torch compute in one thread."""
    torch.set_num_threads(1)


@contextmanager
def pinned_to_one_core() -> Iterator[None]:
    """Keep this thread, and those that it starts, on one core: a thread that waits for another would else use a second
    one now and then.
    """
    if not hasattr(os, "sched_setaffinity"):  # not on Linux
        yield
        return
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(allowed)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, allowed)


def cpu_seconds(action: Action) -> float:
    """Seconds that this process computes for something: on one thread, the time it takes on a core of its own."""
    begin = time.process_time()
    action()
    return time.process_time() - begin


def wall_seconds(action: Action) -> float:
    """Seconds until something is done."""
    begin = time.perf_counter()
    action()
    return time.perf_counter() - begin


def take_turns(
    actions: Mapping[str, Action], n_rounds: int, clock: Callable[[Action], float] = cpu_seconds
) -> dict[str, tuple[float, ...]]:
    """Seconds of each action in each of ``n_rounds`` rounds, one after the other in every round, so that a machine that
    slows down slows all; a round before that warms up.
    """
    seconds = [{name: clock(action) for name, action in actions.items()} for _ in range(n_rounds + 1)]
    return {name: tuple(one[name] for one in seconds[1:]) for name in actions}


@contextmanager
def clock_around(
    owner: Any,  # noqa: ANN401  # a module or an object
    name: str,
    clock: Callable[[], float] = time.process_time,
) -> Iterator[Callable[[], float]]:
    """Replace a function of a module or object by one that counts its seconds, of CPU or by another clock; gives those
    counted so far.
    """
    original, spent = getattr(owner, name), [0.0]

    def timed(*arguments: Any, **options: Any) -> Any:  # noqa: ANN401  # whatever the function takes and gives
        begin = clock()
        try:
            return original(*arguments, **options)
        finally:
            spent[0] += clock() - begin

    with patch.object(owner, name, timed):
        yield lambda: spent[0]


def resident_megabytes(process: int | str = "self") -> float:
    """Memory that a process holds, by default this one."""
    return _megabytes("VmRSS", process)


def peak_megabytes() -> float:
    """Most memory that this process has held (the resource module would count what its parent held)."""
    return _megabytes("VmHWM")


def _megabytes(field: str, process: int | str = "self") -> float:
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(field)) * 1024 / 1e6
