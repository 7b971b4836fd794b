"""Relaxation of many structures at once."""

from __future__ import annotations

import itertools
from collections.abc import Callable

from rm_engine.potential import CACE
from rm_engine.relax.config import RelaxationConfig
from rm_engine.relax.flight import Flight
from rm_engine.relax.outcome import OnDone, RelaxationResult
from rm_engine.structure import StructureBatch

OnProgress = Callable[[int, int], None]
"""Called with the number of structures done and the number of steps made by the batch; may raise to stop the run."""


def relax(
    potential: CACE,
    batch: StructureBatch,
    config: RelaxationConfig,
    on_progress: OnProgress | None = None,
    on_done: OnDone | None = None,
) -> RelaxationResult:
    """Relax every structure of a batch with FIRE until it converges, runs out of steps or is set aside.

    Structures do not see each other: each has its own optimiser state. As many relax together as the memory budget
    allows, and others take the places of those that are done.

    Args:
        potential: the pseudo energy surface.
        batch: the starts, any number of them, on the potential's device.
        config: when to stop, what may move, how much memory to take.
        on_progress: called every few steps.
        on_done: called for each structure as soon as it is done.
    """
    flight = Flight(potential, batch, config)
    for n_steps in itertools.count():
        goes_on = flight.advance()
        flight.outcome.tell(on_done)
        if not goes_on:
            break
        if on_progress is not None and n_steps % config.progress_interval == 0:
            on_progress(flight.outcome.n_done, n_steps)
    return flight.outcome.result()
