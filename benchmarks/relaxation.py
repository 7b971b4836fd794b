"""Thirty starts of LiS2 of 12 atoms each, relaxed with a free cell on one core: ours, ASE's FIRE, torch-sim's FIRE."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from statistics import median

import torch
import torch_sim
from ase import Atoms
from ase.filters import UnitCellFilter
from ase.optimize import FIRE
from torch import Tensor

from benchmarks.report import Row, show
from benchmarks.subjects import draw_starts, load, without_compiler
from benchmarks.timing import take_turns, use_one_core
from rm_engine.adapters.torch_sim import TorchSimModel
from rm_engine.checkpoint import Model
from rm_engine.relax import RelaxationConfig, RelaxationResult, relax
from rm_engine.structure import StructureBatch

_N_ATOMS = 12
_SAME_ENERGY = 1e-3
"""Pseudo energy per atom within which two relaxations count as ending in the same minimum."""


def run(n_starts: int = 30, n_rounds: int = 6, max_steps: int = 2000) -> Iterator[Row]:
    """Time all in turn; ASE takes another part of the starts in every round, and has had each once in the end.

    Args:
        n_starts: starts of 12 atoms.
        n_rounds: measurements; also the number of parts.
        max_steps: most steps of a structure.
    """
    use_one_core()
    model = load("mp20")
    config = RelaxationConfig(fmax=0.01, max_steps=max_steps)
    starts = draw_starts(model, "LiS2", n_starts, formula_units=_N_ATOMS // 3)
    parts = iter([starts[:1], *(starts[part::n_rounds] for part in range(n_rounds))])

    def relax_uncompiled() -> None:
        with without_compiler():
            _relax(model, starts, config)

    seconds = take_turns(
        {
            "ours": lambda: _relax(model, starts, config),
            "uncompiled": relax_uncompiled,
            "ASE": lambda: _relax_with_ase(model, next(parts), config),
            "torch-sim": lambda: _relax_with_torch_sim(model, starts, config),
        },
        n_rounds,
    )
    ours, ended = _relax(model, starts, config), _relax_with_torch_sim(model, starts, config)
    subject = f"LiS2, {n_starts} x {_N_ATOMS} atoms, to fmax {config.fmax:g}"
    steps = ours.n_steps.double()
    yield Row.of(
        seconds["ours"],
        name=subject,
        goal=1.5,
        unit="s",
        at_least=False,
        note=f"mp20, one core, random starts, free cell, one batch; {int(ours.converged.sum())} of {n_starts} "
        f"converged within {max_steps:,} steps, {show(float(steps.mean()))} on average, {int(steps.max()):,} at most",
    )
    yield Row.of(
        seconds["uncompiled"],
        name=f"{subject}, without a compiler",
        goal=None,
        unit="s",
        at_least=False,
        note="the same in torch alone, many structures at each step",
    )
    yield Row.of(
        (sum(seconds["ASE"]) / one for one in seconds["ours"]),
        name=f"{subject}: against ASE's FIRE one by one with our calculator",
        goal=30,
        unit="times faster",
        at_least=True,
        note=f"the same starts, each once: {show(sum(seconds['ASE']))} s together, `FIRE(UnitCellFilter(atoms))`",
    )
    theirs = show(median(seconds["torch-sim"]))
    same = int(((ended - ours.energies).abs() < _SAME_ENERGY * _N_ATOMS).sum())
    yield Row.of(
        (other / one for other, one in zip(seconds["torch-sim"], seconds["ours"], strict=True)),
        name=f"{subject}: against torch-sim's FIRE with our model",
        goal=None,
        unit="times faster",
        at_least=True,
        note=f"torch-sim {version('torch-sim-atomistic')}, `unit_cell_fire` of the flavour of "
        f"ASE, one batch from which structures leave, `rm_engine.adapters.torch_sim`: {theirs} s; {same} of "
        f"{n_starts} end within {_SAME_ENERGY:g} per atom of ours",
    )


def _relax(model: Model, starts: Sequence[Atoms], config: RelaxationConfig) -> RelaxationResult:
    return relax(model.potential, StructureBatch.from_atoms(starts), config)


def _relax_with_ase(model: Model, starts: Sequence[Atoms], config: RelaxationConfig) -> None:
    for start in starts:
        atoms = start.copy()
        atoms.calc = model.get_calculator()
        FIRE(UnitCellFilter(atoms), logfile=None).run(fmax=config.fmax, steps=config.max_steps)


def _relax_with_torch_sim(model: Model, starts: Sequence[Atoms], config: RelaxationConfig) -> Tensor:
    """Their energies in the end, (n_structures,)."""
    with torch.no_grad(), warnings.catch_warnings(action="ignore", category=UserWarning):  # said when steps run out
        ended = torch_sim.optimize(
            list(starts),
            TorchSimModel(model),
            optimizer=torch_sim.unit_cell_fire,
            convergence_fn=torch_sim.generate_force_convergence_fn(config.fmax),
            max_steps=config.max_steps,
        )
    energies: Tensor = ended.energy
    return energies
