"""The structures that relax together: as many as fit into the memory, others taking the places of those that leave."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Final

import torch
from torch import Tensor

from rm_engine.errors import RMEngineError
from rm_engine.potential import CACE, evaluate
from rm_engine.relax.cellfilter import generalize
from rm_engine.relax.config import RelaxationConfig
from rm_engine.relax.guard import TOO_LARGE, check_forces, check_geometry, is_out_of_bounds
from rm_engine.relax.memory import estimate_bytes, find_budget, is_out_of_memory
from rm_engine.relax.outcome import OnDone, OnProgress, Outcome, RelaxationResult
from rm_engine.relax.projection import Projection, Symmetries
from rm_engine.relax.pull import Pull, add_pulls, find_cutoff
from rm_engine.relax.skin import SkinnedNeighbors
from rm_engine.relax.state import RelaxationState
from rm_engine.relax.waiting import Waiting
from rm_engine.structure import StructureBatch

_WORTHWHILE: Final = 1 / 8
"""Part of the budget that must be free before others are taken in: each time costs as much as a small step."""


def relax_in_flight(
    potential: CACE,
    batch: StructureBatch,
    config: RelaxationConfig,
    on_progress: OnProgress | None = None,
    on_done: OnDone | None = None,
    symmetries: Symmetries = None,
    pulls: Sequence[Pull] = (),
) -> RelaxationResult:
    """:func:`rm_engine.relax.relax` in torch alone, on any device, many structures at each step."""
    flight = Flight(potential, batch, config, symmetries, pulls)
    for n_steps in itertools.count():
        goes_on = flight.advance()
        flight.outcome.tell(on_done)
        if not goes_on:
            break
        if on_progress is not None and n_steps % config.progress_interval == 0:
            on_progress(flight.outcome.n_done, n_steps)
    return flight.outcome.result()


class Flight:
    """Structures in flight, those that wait for a place, and what became of those that have left.

    Structures do not see each other. Each has its own optimiser state, which outlives an exhausted memory: all in
    flight are put back as they were, and go on fewer at a time.
    """

    def __init__(
        self,
        potential: CACE,
        batch: StructureBatch,
        config: RelaxationConfig,
        symmetries: Symmetries = None,
        pulls: Sequence[Pull] = (),
    ) -> None:
        self._potential = potential
        self._pulls = pulls
        self._cutoff = find_cutoff(potential, pulls)
        self._config = config
        self._symmetries = symmetries
        reach = self._cutoff + config.skin
        evaluated = (potential, *(pull.potential for pull in pulls))  # one after the other: the largest counts
        n_bytes = torch.stack([estimate_bytes(batch, one.config, reach, config.guard) for one in evaluated]).amax(dim=0)
        self._waiting = Waiting(batch, n_bytes, config.optimizer)
        self._budget = self._whole_budget = find_budget(config.memory_budget, batch.cells.device)
        self._land()
        self.outcome = Outcome(batch)

    def advance(self) -> bool:
        """Fill what places are free and make one step; false when there is nobody left to move."""
        try:
            self._fill()
            if self._state.n_structures == 0:
                return False
            self._step()
        except (MemoryError, RuntimeError, RMEngineError) as error:
            if self._budget == 0 or not is_out_of_memory(error):
                raise
        else:
            return True
        self._make_room()  # here, where the error no longer holds on to what was computed
        return True

    def _land(self) -> None:
        """Nobody is in flight."""
        self._state, self._n_bytes = self._waiting.nobody, 0
        self._projection: Projection | None = None
        self._neighbors = SkinnedNeighbors.none(self._state.reference, self._cutoff, self._config.skin)

    def _fill(self) -> None:
        """Take in others for those that have left, until there is no place or nobody that can fly."""
        while (free := self._budget - self._n_bytes) >= self._budget * _WORTHWHILE and self._waiting.n_structures:
            n_before = self._state.n_structures
            newcomers = self._waiting.next_in_line(free, at_least=0 if n_before else 1)
            if newcomers.n_structures == 0:
                return
            state, neighbors = self._state.joined(newcomers), self._neighbors.joined(newcomers.reference)
            self._waiting.remove(newcomers)
            self._fly(state, neighbors)
            self._look_at(torch.arange(state.n_structures, device=state.origin.device) >= n_before)

    def _step(self) -> None:
        """Evaluate all structures, record those that are done, move the others."""
        config, state = self._config, self._state
        response = evaluate(self._potential, state.structures, self._neighbors.list)
        response = add_pulls(self._pulls, response, state.structures, self._neighbors.list)
        forces = generalize(response, state, config)
        if self._projection is not None:
            forces = self._projection.project(forces, state.reference.n_atoms)
        largest = state.find_largest(torch.linalg.vector_norm(forces, dim=1))
        codes = check_forces(response.energies, largest, config.guard)
        converged = (codes == 0) & (largest < config.fmax)
        leaving = converged | (codes > 0) | (state.n_steps >= config.max_steps)
        moved = config.optimizer.step(state, forces)
        if config.cell == "fixed_volume":
            moved = moved.with_start_volume()
        due = self._neighbors.is_due(moved) | is_out_of_bounds(moved, config.guard)
        # The only time in a step that a GPU is waited for.
        any_leaves, any_is_due = torch.stack([leaving.any(), (due & ~leaving).any()]).tolist()
        if any_leaves:
            self._part(leaving, state, moved, codes, response.energies, converged)
        else:
            self._state = moved
        if any_is_due:
            self._look_at(due[~leaving])

    def _look_at(self, due: Tensor) -> None:
        """Renew the neighbours of structures that have changed; set aside those that cannot have any."""
        codes, skewed = check_geometry(self._state, self._config.guard)
        if bool((due & skewed).any()):
            self._state = self._state.with_reduced_cells(due & skewed)
            codes, _ = check_geometry(self._state, self._config.guard)
        state, codes = self._state, torch.where(due, codes, 0)
        wrong = codes > 0
        if bool(wrong.any()):
            self._part(wrong, state, state, codes, torch.full_like(state.time_steps, torch.nan), wrong & ~wrong)
        due = due[~wrong]
        if bool(due.any()):
            self._neighbors = self._neighbors.renewed(due, self._state)

    def _part(
        self,
        leaving: Tensor,
        state: RelaxationState,
        moved: RelaxationState,
        codes: Tensor,
        energies: Tensor,
        converged: Tensor,
    ) -> None:
        """Record structures where ``leaving`` is true, as they are in ``state``, and go on with the others as they are
        in ``moved``.

        Should memory run out here, it is before anything has changed.
        """
        staying = moved.select(~leaving)
        neighbors = self._neighbors.select(~leaving, moved.reference)
        self._record(state.select(leaving), codes[leaving], energies[leaving], converged[leaving])
        self._fly(staying, neighbors)

    def _record(self, gone: RelaxationState, codes: Tensor, energies: Tensor, converged: Tensor) -> None:
        """Take down structures that leave; all tensors are (n_structures,)."""
        structures = gone.structures
        self.outcome.record(
            gone.origin, structures.positions, structures.cells, gone.n_steps, codes, energies, converged
        )

    def _fly(self, state: RelaxationState, neighbors: SkinnedNeighbors) -> None:
        """Go on with other structures."""
        self._state, self._neighbors, self._n_bytes = state, neighbors, self._waiting.count_bytes(state)
        self._projection = Projection.of(self._symmetries, state)

    def _make_room(self) -> None:
        """Put all structures back and let half as many fly at a time; one that was alone will never fit."""
        state, device = self._state, self._state.origin.device
        self._land()
        if state.n_structures == 1:
            nothing = torch.full_like(state.time_steps, torch.nan)
            self._record(state, torch.full_like(state.n_steps, TOO_LARGE), nothing, nothing > 0)
            self._budget = self._whole_budget
        elif state.n_structures:
            self._budget = self._waiting.count_bytes(state) // 2
            self._waiting.put_back(state)
        else:
            self._budget //= 2
        if device.type == "cuda":
            torch.cuda.empty_cache()
