"""The stages in which starts are relaxed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Final

from ase import Atoms

from rm_engine.checkpoint import Model
from rm_engine.relax import (
    CellFreedom,
    FireConfig,
    LangevinConfig,
    LBFGSConfig,
    OnDone,
    OnProgress,
    Optimizer,
    RelaxationConfig,
    RelaxationResult,
    Symmetries,
    relax_in_stages,
)
from rm_engine.search.aim import find_pulls
from rm_engine.search.starts import Start
from rm_engine.spec import GenerationSpec, OptimizerName
from rm_engine.structure import StructureBatch

_MOLECULE_TIGHTNESS: Final = 0.1
"""Molecules are relaxed to this fraction of ``fmax``: at 0.01 many bonds are still 0.2 Å off."""

_FIRST_ATOMS: Final = 512
"""Atoms of the first starts that are relaxed together; few, so that results come early."""

_SETTLING_FMAX: Final = 0.05
_SETTLING_STEPS: Final = 100
"""Of the first stage for crystals (the paper's protocol): atoms find their places before the cell may change its
volume."""

_OPTIMIZERS: Final[dict[OptimizerName, Optimizer]] = {"fire": FireConfig(), "lbfgs": LBFGSConfig()}

SampleStart = tuple[int, Start]
"""A sample and its start."""


def split_starts(starts: Iterable[SampleStart], *, all_together: bool = False) -> Iterator[list[SampleStart]]:
    """Starts in groups that are relaxed together, each twice as large as the one before, which soon fills any device; a
    start is drawn when its group is asked for. Those of one population are all together.
    """
    group: list[SampleStart] = []
    n_atoms, limit = 0, _FIRST_ATOMS
    for start in starts:
        size = len(start[1].atoms)
        if group and n_atoms + size > limit and not all_together:
            yield group
            group, n_atoms, limit = [], 0, 2 * limit
        group.append(start)
        n_atoms += size
    if group:
        yield group


def relax_starts(
    model: Model,
    spec: GenerationSpec,
    starts: Sequence[Atoms],
    on_progress: OnProgress | None = None,
    on_done: OnDone | None = None,
    symmetries: Symmetries = None,
) -> RelaxationResult:
    """Relax starts together as the boundary conditions allow; crystals of free cell settle at fixed volume first, and
    before all are annealed where that is asked for.

    Args:
        model: the model.
        spec: boundary conditions, ``annealing``, ``optimizer``, ``target``, ``fmax`` and ``max_steps``; its composition
            does not matter.
        starts: the structures.
        on_progress: called every few steps with the structures done and the steps made.
        on_done: called for each structure when its last stage has ended; its steps are those of all stages.
        symmetries: what each keeps of its symmetry; None where none keeps any.
    """
    batch = StructureBatch.from_atoms(starts, device=model.device)
    freedom: CellFreedom = "fixed_volume" if spec.fixed_volume else "free"
    if spec.fixed_cell or not spec.is_crystal:
        freedom = "fixed"
    fmax = spec.fmax * (_MOLECULE_TIGHTNESS if spec.is_molecule else 1)
    usual = RelaxationConfig(
        optimizer=_OPTIMIZERS[spec.optimizer or "fire"], n_frozen=spec.n_frozen, memory_budget=model.memory_budget
    )
    settling = replace(usual, fmax=_SETTLING_FMAX, max_steps=_SETTLING_STEPS, cell="fixed_volume")
    final = replace(usual, fmax=fmax, max_steps=spec.max_steps, cell=freedom, pressure=spec.pressure)
    stages = [final] if freedom == "fixed" else [settling, final]
    if spec.annealing:
        stages.insert(0, _anneal(usual, spec.annealing, "fixed" if freedom == "fixed" else "fixed_volume"))
    return relax_in_stages(model.potential, batch, stages, on_progress, on_done, symmetries, find_pulls(model, spec))


def _anneal(usual: RelaxationConfig, n_steps: int, freedom: CellFreedom) -> RelaxationConfig:
    """A stage before all others, in which the structures are hot and cool down."""
    return replace(usual, optimizer=LangevinConfig(n_steps), fmax=0.0, max_steps=n_steps, cell=freedom)
