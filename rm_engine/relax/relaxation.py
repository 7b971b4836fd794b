"""Relaxation of many structures at once."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from ase import Atoms
from torch import Tensor

from rm_engine.neighbors import SkinnedNeighbors
from rm_engine.potential import CACE, evaluate
from rm_engine.relax.cellfilter import generalize
from rm_engine.relax.fire import FireConfig, fire_step
from rm_engine.relax.guard import REASONS, GuardConfig, check_forces, check_geometry
from rm_engine.relax.state import CellFreedom, RelaxationState
from rm_engine.structure import StructureBatch

_REDUCTION_INTERVAL = 50
"""Steps between two looks at whether cells have become skewed."""


@dataclass(frozen=True, kw_only=True)
class RelaxationConfig:
    """How to relax.

    Attributes:
        fmax: a structure has converged when no row of its generalised forces is longer, pseudo units.
        max_steps: most steps for a structure.
        cell: what the cells of crystals may do; cells of anything else are kept.
        fire: constants of the optimiser.
        guard: what sets a structure aside.
        skin: Å that the neighbour list reaches beyond the cutoff.
        progress_interval: steps between two calls of ``on_progress``.
    """

    fmax: float = 0.01
    max_steps: int = 2000
    cell: CellFreedom = "free"
    fire: FireConfig = field(default_factory=FireConfig)
    guard: GuardConfig = field(default_factory=GuardConfig)
    skin: float = 0.5
    progress_interval: int = 20


@dataclass(frozen=True)
class RelaxationResult:
    """Relaxed structures, in the order they were given.

    Attributes:
        structures: where they ended.
        energies: (n_structures,) pseudo energies there.
        converged: (n_structures,) bool.
        n_steps: (n_structures,) steps made.
        reasons: why a structure was set aside, None where it was not.
    """

    structures: StructureBatch
    energies: Tensor
    converged: Tensor
    n_steps: Tensor
    reasons: list[str | None]


OnProgress = Callable[[int, int], None]
"""Called with the number of structures done and the number of steps made by the batch; may raise to stop the run."""

OnDone = Callable[[int, Atoms, float, bool, int, str | None], None]
"""Called for each structure as soon as it leaves with its row in the batch that was given, where it ended, its pseudo
energy there (NaN where there is none), whether it converged, the steps it made and why it was set aside (None where it
was not); may raise to stop the run."""


class _Outcome:
    """Collects the structures that have left the batch."""

    def __init__(self, batch: StructureBatch, on_done: OnDone | None) -> None:
        n, device = batch.n_structures, batch.cells.device
        self._batch = batch
        self._on_done = on_done
        self._positions = batch.positions.clone()
        self._cells = batch.cells.clone()
        self._energies = batch.cells.new_full((n,), torch.nan)
        self._converged = torch.zeros(n, dtype=torch.bool, device=device)
        self._n_steps = torch.zeros(n, dtype=torch.int64, device=device)
        self._codes = torch.zeros(n, dtype=torch.int64, device=device)
        self.n_done = 0

    def record(
        self,
        leaving: Tensor,
        state: RelaxationState,
        codes: Tensor,
        energies: Tensor | None = None,
        converged: Tensor | None = None,
    ) -> None:
        """Take down the structures of ``state`` where ``leaving`` (n_structures,) bool is true."""
        gone = state.select(leaving)
        structures = gone.structures
        self._positions[torch.isin(self._batch.structure_of, gone.origin)] = structures.positions
        self._cells[gone.origin] = structures.cells
        self._n_steps[gone.origin] = gone.n_steps
        self._codes[gone.origin] = codes[leaving]
        if energies is not None and converged is not None:
            self._energies[gone.origin] = energies[leaving]
            self._converged[gone.origin] = converged[leaving]
        self.n_done += gone.n_structures
        if self._on_done is not None:
            self._tell(gone.origin, structures, self._on_done)

    def _tell(self, rows: Tensor, structures: StructureBatch, on_done: OnDone) -> None:
        columns = (self._energies, self._converged, self._n_steps, self._codes)
        energies, converged, n_steps, codes = (column[rows].tolist() for column in columns)
        reasons = [REASONS[code] or None for code in codes]
        for done in zip(rows.tolist(), structures.to_atoms(), energies, converged, n_steps, reasons, strict=True):
            on_done(*done)

    def result(self) -> RelaxationResult:
        """All structures in the order they were given."""
        return RelaxationResult(
            structures=self._batch.moved(self._positions, self._cells),
            energies=self._energies,
            converged=self._converged,
            n_steps=self._n_steps,
            reasons=[REASONS[code] or None for code in self._codes.tolist()],
        )


def relax(
    potential: CACE,
    batch: StructureBatch,
    config: RelaxationConfig,
    on_progress: OnProgress | None = None,
    on_done: OnDone | None = None,
) -> RelaxationResult:
    """Relax every structure of a batch with FIRE until it converges, runs out of steps or is set aside.

    Structures do not see each other: each has its own optimiser state and leaves the batch when it is done.

    Args:
        potential: the pseudo energy surface.
        batch: the starts, on the potential's device.
        config: when to stop and what may move.
        on_progress: called every few steps.
        on_done: called for each structure as soon as it leaves the batch.
    """
    outcome = _Outcome(batch, on_done)
    state = RelaxationState.at_rest(batch, time_step=config.fire.time_step, mixing=config.fire.mixing)
    neighbors: SkinnedNeighbors | None = None
    start_volumes = batch.volumes
    for n_steps in itertools.count():
        if n_steps % _REDUCTION_INTERVAL == 0:
            state = state.with_reduced_cells()
        structures = state.structures
        codes = check_geometry(structures, start_volumes[state.origin], config.guard)
        if bool(codes.any()):
            state = state.with_reduced_cells()  # what looks flat may only be skewed
            codes = check_geometry(state.structures, start_volumes[state.origin], config.guard)
            outcome.record(codes > 0, state, codes)
            state, neighbors = state.select(codes == 0), neighbors and neighbors.select(codes == 0)
            structures = state.structures
        if state.n_structures == 0:
            break
        neighbors = (
            neighbors.refresh(structures)
            if neighbors is not None
            else SkinnedNeighbors.build(structures, potential.config.cutoff, config.skin)
        )
        response = evaluate(potential, structures, neighbors.neighbors)
        forces = generalize(response, state, structures, config.cell)
        largest = forces.largest(structures)
        codes = check_forces(response.energies, largest, config.guard)
        converged = (codes == 0) & (largest < config.fmax)
        leaving = converged | (codes > 0) | (state.n_steps >= config.max_steps)
        if bool(leaving.any()):
            outcome.record(leaving, state, codes, response.energies, converged)
            forces = forces.select(~leaving, state.start)
            state, neighbors = state.select(~leaving), neighbors.select(~leaving)
        state = fire_step(state, forces, config.fire)
        if config.cell == "fixed_volume":
            state = state.with_start_volume()
        if on_progress is not None and n_steps % config.progress_interval == 0:
            on_progress(outcome.n_done, n_steps)
    return outcome.result()
