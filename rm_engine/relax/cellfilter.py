"""Forces on atoms and cell together, in the coordinates of ASE's ``UnitCellFilter``."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from rm_engine.potential import Response
from rm_engine.relax.state import CellFreedom, RelaxationState
from rm_engine.structure import StructureBatch


@dataclass(frozen=True)
class GeneralizedForces:
    """Forces on the degrees of freedom of a relaxation state.

    Attributes:
        atoms: (n_atoms, 3) on the reference positions.
        cell: (n_structures, 3, 3) on n_atoms F; zero where the cell does not relax.
    """

    atoms: Tensor
    cell: Tensor

    def select(self, keep: Tensor, batch: StructureBatch) -> GeneralizedForces:
        """The forces on the structures of ``batch`` where ``keep`` (n_structures,) bool is true."""
        return GeneralizedForces(self.atoms[keep[batch.structure_of]], self.cell[keep])

    def largest(self, batch: StructureBatch) -> Tensor:
        """(n_structures,) largest norm of a row of ``atoms`` and ``cell``: what convergence is measured by."""
        atoms = torch.linalg.vector_norm(self.atoms, dim=1)
        largest = torch.zeros_like(batch.cells[:, 0, 0]).scatter_reduce(0, batch.structure_of, atoms, "amax")
        return torch.maximum(largest, torch.linalg.vector_norm(self.cell, dim=2).amax(dim=1))


def generalize(
    response: Response, state: RelaxationState, structures: StructureBatch, freedom: CellFreedom
) -> GeneralizedForces:
    """Turn forces and stresses into forces on the degrees of freedom.

    Args:
        response: forces and stresses of ``structures``.
        state: the state they come from.
        structures: ``state.structures``.
        freedom: what the cells of crystals may do; other cells never change.
    """
    deformations = state.deformations
    atoms = (response.forces[:, None] @ deformations[structures.structure_of])[:, 0]
    if freedom == "fixed":
        return GeneralizedForces(atoms, torch.zeros_like(deformations))
    virial = -structures.volumes[:, None, None] * response.stresses
    cell = torch.linalg.solve(deformations, virial.transpose(1, 2)).transpose(1, 2)
    if freedom == "fixed_volume":
        cell = _without_volume_change(cell, deformations)
    cell = cell / structures.sizes[:, None, None]
    return GeneralizedForces(atoms, torch.where(structures.is_crystal[:, None, None], cell, 0.0))


def _without_volume_change(cell: Tensor, deformations: Tensor) -> Tensor:
    """Forces on F without their part along F^-T, the gradient of the logarithm of the volume.

    Taking the trace off instead, as ASE does, keeps the volume near F = 1 only, and what is left then vanishes
    where there is shear stress.
    """
    gradient = torch.linalg.inv(deformations).transpose(1, 2)
    along = (cell * gradient).sum(dim=(1, 2)) / (gradient * gradient).sum(dim=(1, 2))
    projected: Tensor = cell - along[:, None, None] * gradient
    return projected
