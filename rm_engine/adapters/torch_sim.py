"""The pseudo energy surface as a model of torch-sim (https://github.com/TorchSim/torch-sim)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch_sim import SimState
from torch_sim.models.interface import ModelInterface

from rm_engine.checkpoint import Model, check_elements
from rm_engine.neighbors import build_neighbor_list
from rm_engine.potential import evaluate
from rm_engine.structure import StructureBatch


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
        check_elements(self._potential, batch.numbers.tolist())
        response = evaluate(self._potential, batch, build_neighbor_list(batch, self._potential.config.cutoff))
        return {"energy": response.energies, "forces": response.forces, "stress": response.stresses}


def _to_batch(state: SimState) -> StructureBatch:
    """The structures of a state; torch-sim's cells have the vectors in columns."""
    return StructureBatch(
        positions=state.positions,
        numbers=state.atomic_numbers,
        cells=state.row_vector_cell.contiguous(),
        periodic=torch.full((state.n_systems, 3), bool(state.pbc), device=state.positions.device),
        structure_of=state.system_idx,
    )
