"""The pseudo energy surface as a model of torch-sim (https://github.com/TorchSim/torch-sim)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch_sim import SimState
from torch_sim.models.interface import ModelInterface

from rm_engine.checkpoint import Model, check_elements
from rm_engine.neighbors import SkinnedNeighbors
from rm_engine.potential import evaluate
from rm_engine.structure import StructureBatch

_SKIN = 0.5
"""Å that the neighbour list reaches beyond the cutoff; from step to step only what moved further is looked at again."""


class TorchSimModel(ModelInterface):  # type: ignore[misc]  # torch-sim has no types
    """Energies, forces and stresses in pseudo units, for torch-sim's optimisers, integrators and batching.

    Args:
        model: from :func:`rm_engine.load_model`.
    """

    def __init__(self, model: Model) -> None:
        super().__init__()
        self._potential = model.potential
        self._device = model.device
        self._dtype = next(model.potential.parameters()).dtype
        self._compute_forces = self._compute_stress = True
        self._neighbors: SkinnedNeighbors | None = None

    def forward(self, state: SimState | dict[str, Any], **_options: object) -> dict[str, Tensor]:
        """Evaluate the potential.

        Args:
            state: structures; a dictionary needs positions, cell, pbc, atomic_numbers and system_idx.

        Returns:
            ``energy`` (n_systems,), ``forces`` (n_atoms, 3) and ``stress`` (n_systems, 3, 3), zero unless periodic.

        Raises:
            InputError: a structure holds an element without an embedding.
        """
        if isinstance(state, dict):
            state = SimState(**{"masses": torch.ones_like(state["positions"][:, 0]), **state})
        batch = _to_batch(state)
        if self._neighbors is not None and _are_same_atoms(batch, self._neighbors.built_at):
            self._neighbors = self._neighbors.refresh(batch)
        else:
            check_elements(self._potential, batch.numbers.tolist())
            self._neighbors = SkinnedNeighbors.build(batch, self._potential.config.cutoff, _SKIN)
        response = evaluate(self._potential, batch, self._neighbors.neighbors)
        return {"energy": response.energies, "forces": response.forces, "stress": response.stresses}


def _to_batch(state: SimState) -> StructureBatch:
    """A copy of the structures of a state, which may move in place; torch-sim's cells have the vectors in columns."""
    return StructureBatch(
        positions=state.positions.clone(),
        numbers=state.atomic_numbers,
        cells=state.row_vector_cell.clone(memory_format=torch.contiguous_format),
        periodic=torch.full((state.n_systems, 3), bool(state.pbc), device=state.positions.device),
        structure_of=state.system_idx,
    )


def _are_same_atoms(batch: StructureBatch, other: StructureBatch) -> bool:
    """Whether two batches differ in nothing but positions and cells."""
    return (
        torch.equal(batch.numbers, other.numbers)
        and torch.equal(batch.structure_of, other.structure_of)
        and torch.equal(batch.periodic, other.periodic)
    )
