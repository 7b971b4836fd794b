"""Forces on atoms and cell together, in the coordinates of ASE's ``UnitCellFilter``."""

from __future__ import annotations

import torch
from torch import Tensor

from rm_engine.potential import Response
from rm_engine.relax.config import RelaxationConfig
from rm_engine.relax.state import RelaxationState


def generalize(response: Response, state: RelaxationState, config: RelaxationConfig) -> Tensor:
    """Turn forces and stresses into forces on the degrees of freedom.

    Args:
        response: forces and stresses of ``state.structures``.
        state: the state they come from.
        config: what atoms and cells may do, and under which pressure: what is minimised is the enthalpy E + pV.

    Returns:
        (n_rows, 3) on ``state.coordinates``; zero where an atom or a cell does not relax.
    """
    deformations, reference = state.deformations, state.reference
    atoms = (response.forces[:, None] @ deformations[reference.structure_of])[:, 0]
    if config.n_frozen:
        atoms = torch.where((reference.place_of < config.n_frozen)[:, None], 0.0, atoms)
    if config.cell == "fixed":
        return torch.cat([atoms, torch.zeros_like(deformations).flatten(0, 1)])
    cofactors = torch.linalg.cross(deformations.roll(-1, 1), deformations.roll(-2, 1))
    determinants = (deformations[:, 0] * cofactors[:, 0]).sum(dim=1)[:, None, None]
    # F^-T, also the gradient of the logarithm of the volume. As cofactors, for a solver would make a GPU wait.
    inverse_transposed = cofactors / determinants
    volumes = determinants.abs() * reference.volumes[:, None, None]
    cell = -volumes * (response.stresses @ inverse_transposed + config.pressure * inverse_transposed)
    if config.cell == "fixed_volume":
        # Taking the trace off instead, as ASE does, keeps the volume near F = 1 only, and what is left then vanishes
        # where there is shear stress.
        cell = cell - _component(cell, inverse_transposed)
    cell = torch.where(reference.is_crystal[:, None, None], cell / reference.sizes[:, None, None], 0.0)
    return torch.cat([atoms, cell.flatten(0, 1)])


def _component(matrices: Tensor, direction: Tensor) -> Tensor:
    """The part of matrices (n_structures, 3, 3) along others."""
    along: Tensor = (matrices * direction).sum(dim=(1, 2)) / direction.square().sum(dim=(1, 2))
    return along[:, None, None] * direction
