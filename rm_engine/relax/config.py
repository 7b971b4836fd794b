"""How to relax."""

from __future__ import annotations

from dataclasses import dataclass, field

from rm_engine.relax.fire import FireConfig
from rm_engine.relax.guard import GuardConfig
from rm_engine.relax.optimizer import Optimizer
from rm_engine.relax.state import CellFreedom


@dataclass(frozen=True, kw_only=True)
class RelaxationConfig:
    """How to relax.

    Attributes:
        fmax: a structure has converged when no row of its generalised forces is longer, pseudo units.
        max_steps: most steps for a structure.
        cell: what the cells of crystals may do; cells of anything else are kept.
        pressure: on crystals whose cell is free, pseudo units per Å³; the enthalpy E + pV is minimised. Energies that
            are given back are E.
        n_frozen: the first atoms of each structure, so many, keep their places in the cell.
        optimizer: what moves the structures, with its constants.
        guard: what sets a structure aside.
        skin: Å that the neighbour list reaches beyond the cutoff.
        progress_interval: steps between two calls of ``on_progress``.
        memory_budget: bytes that the structures in flight may take together; one that needs more flies alone. None
            takes what suits the device, see :func:`rm_engine.relax.memory.find_budget`.
        n_threads: structures that the compiled kernel relaxes at the same time; None takes as many as torch's threads.
    """

    fmax: float = 0.01
    max_steps: int = 2000
    cell: CellFreedom = "free"
    pressure: float = 0.0
    n_frozen: int = 0
    optimizer: Optimizer = field(default_factory=FireConfig)
    guard: GuardConfig = field(default_factory=GuardConfig)
    skin: float = 0.5
    progress_interval: int = 20
    memory_budget: int | None = None
    n_threads: int | None = None
