"""Relaxation of many structures at once."""

from __future__ import annotations

import torch

from rm_engine.potential import CACE, compile_potential
from rm_engine.relax.compiled import relax_compiled
from rm_engine.relax.config import RelaxationConfig
from rm_engine.relax.flight import relax_in_flight
from rm_engine.relax.outcome import OnDone, OnProgress, RelaxationResult
from rm_engine.structure import StructureBatch


def relax(
    potential: CACE,
    batch: StructureBatch,
    config: RelaxationConfig,
    on_progress: OnProgress | None = None,
    on_done: OnDone | None = None,
) -> RelaxationResult:
    """Relax every structure of a batch with FIRE until it converges, runs out of steps or is set aside.

    Structures do not see each other: each has its own optimiser state. On a CPU and in single precision the compiled
    kernel relaxes one on each thread; else as many relax together as the memory budget allows. Others take the places
    of those that are done.

    Args:
        potential: the pseudo energy surface.
        batch: the starts, any number of them, on the potential's device.
        config: when to stop, what may move, how much memory to take.
        on_progress: called every few steps.
        on_done: called for each structure as soon as it is done.
    """
    compiled = compile_potential(potential) if batch.positions.dtype == torch.float32 else None
    if compiled is None:
        return relax_in_flight(potential, batch, config, on_progress, on_done)
    return relax_compiled(compiled, batch, config, on_progress, on_done)
