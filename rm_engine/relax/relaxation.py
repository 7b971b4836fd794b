"""Relaxation of many structures at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from ase import Atoms

from rm_engine.potential import CACE, compile_potential
from rm_engine.relax.compiled import relax_compiled
from rm_engine.relax.config import RelaxationConfig
from rm_engine.relax.flight import relax_in_flight
from rm_engine.relax.outcome import OnDone, OnProgress, RelaxationResult
from rm_engine.relax.projection import Symmetries
from rm_engine.relax.pull import Pull
from rm_engine.structure import StructureBatch


def relax(
    potential: CACE,
    batch: StructureBatch,
    config: RelaxationConfig,
    on_progress: OnProgress | None = None,
    on_done: OnDone | None = None,
) -> RelaxationResult:
    """Relax every structure of a batch until it converges, runs out of steps or is set aside.

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
    return relax_in_stages(potential, batch, (config,), on_progress, on_done)


def relax_in_stages(
    potential: CACE,
    batch: StructureBatch,
    stages: Sequence[RelaxationConfig],
    on_progress: OnProgress | None = None,
    on_done: OnDone | None = None,
    symmetries: Symmetries = None,
    pulls: Sequence[Pull] = (),
) -> RelaxationResult:
    """:func:`relax` in several ways, one after the other, each from where the one before has ended.

    Steps are those of all stages; a structure that is set aside in any of them is. Those for which there are
    ``symmetries`` keep them. All are under the ``pulls``.
    """
    compiled = compile_potential(potential) if batch.positions.dtype == torch.float32 else None
    heads = [(pull, head) for pull in pulls if (head := compile_potential(pull.potential)) is not None]
    if compiled is not None and len(heads) == len(pulls):
        return relax_compiled(compiled, batch, stages, on_progress, on_done, symmetries, heads)
    *early, last = stages
    settled: list[RelaxationResult] = []
    for stage in early:
        before = on_progress and _before_any_is_done(on_progress)
        settled.append(relax_in_flight(potential, batch, stage, before, symmetries=symmetries, pulls=pulls))
        batch = settled[-1].structures
    n_steps = sum((one.n_steps for one in settled), torch.zeros_like(batch.sizes))
    reasons = [next(filter(None, told), None) for told in zip(*(one.reasons for one in settled), strict=True)]
    reasons = reasons or [None] * batch.n_structures
    on_last = on_done and _after(n_steps.tolist(), reasons, on_done)
    relaxed = relax_in_flight(potential, batch, last, on_progress, on_last, symmetries, pulls)
    return replace(
        relaxed,
        n_steps=n_steps + relaxed.n_steps,
        reasons=[first or later for first, later in zip(reasons, relaxed.reasons, strict=True)],
    )


def _before_any_is_done(on_progress: OnProgress) -> OnProgress:
    return lambda _, n_steps: on_progress(0, n_steps)


def _after(n_steps_before: Sequence[int], reasons: Sequence[str | None], on_done: OnDone) -> OnDone:
    """``on_done`` for a stage that follows others."""

    def tell(row: int, atoms: Atoms, energy: float, converged: bool, n_steps: int, reason: str | None) -> None:
        on_done(row, atoms, energy, converged, n_steps_before[row] + n_steps, reasons[row] or reason)

    return tell
