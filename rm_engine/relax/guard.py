"""What sets a structure aside before it stalls or spoils the others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor

from rm_engine.relax.state import RelaxationState
from rm_engine.structure import cell_heights

REASONS: Final = (
    "",
    "energy or forces are not finite",
    "forces blew up",
    "the cell collapsed",
    "the cell flew apart",
    "the cell became flat",
    "it does not fit into the memory",
)
"""Why a structure was set aside, by code; code 0 is none."""

TOO_LARGE: Final = REASONS.index("it does not fit into the memory")

THIN: Final = 0.5
"""A cell whose least height is below this fraction of the cube root of its volume may be skewed."""

_CLEARLY: Final = 1.2
"""Twice the product of two vectors of a reduced cell is at most the square of either; this is well beyond it."""


@dataclass(frozen=True)
class GuardConfig:
    """Bounds within which a relaxation makes sense.

    Attributes:
        smallest_volume_ratio: of a crystal's volume to that of its start.
        largest_volume_ratio: likewise.
        smallest_height: Å between opposite faces of a crystal's cell; a flatter one sees itself too often for a
            neighbour list.
        largest_force: pseudo units.
    """

    smallest_volume_ratio: float = 0.3
    largest_volume_ratio: float = 4.0
    smallest_height: float = 0.9
    largest_force: float = 1e4


def is_out_of_bounds(state: RelaxationState, config: GuardConfig) -> Tensor:
    """(n_structures,) bool, whether a crystal's volume has left its bounds."""
    ratio = state.determinants.abs()
    inside = (ratio >= config.smallest_volume_ratio) & (ratio <= config.largest_volume_ratio)
    return ~inside & state.reference.is_crystal


def check_geometry(state: RelaxationState, config: GuardConfig) -> tuple[Tensor, Tensor]:
    """What is to be known of structures before their neighbours are looked for.

    Returns:
        (n_structures,) code into ``REASONS``, 0 where a neighbour list can be built, and (n_structures,) bool, whether
        a crystal's cell is skewed: its atoms then see many images of each other.
    """
    structures = state.structures
    heights, volumes = cell_heights(structures.cells).amin(dim=1), structures.volumes
    code = torch.where(heights < config.smallest_height, 5, 0)
    ratio = state.determinants.abs()
    code = torch.where(ratio > config.largest_volume_ratio, 4, code)
    code = torch.where(ratio < config.smallest_volume_ratio, 3, code)
    code = torch.where(structures.is_crystal, code, 0)
    is_finite = torch.isfinite(structures.sum_over_atoms(structures.positions).sum(dim=1) + volumes)
    is_thin = structures.is_crystal & (heights < THIN * volumes ** (1 / 3))
    return torch.where(is_finite, code, 1), is_thin & _has_long_vectors(structures.cells)


def _has_long_vectors(cells: Tensor) -> Tensor:
    """(n_structures,) bool, whether adding one cell vector to another, or taking it off, makes it clearly shorter."""
    products = cells @ cells.transpose(1, 2)
    squares = products.diagonal(dim1=1, dim2=2)
    between = products - torch.diag_embed(squares)
    return (2 * between.abs() > _CLEARLY * squares[:, :, None]).flatten(1).any(dim=1)


def check_forces(energies: Tensor, largest_forces: Tensor, config: GuardConfig) -> Tensor:
    """(n_structures,) code into ``REASONS``, 0 where a step can be made."""
    code = torch.where(largest_forces > config.largest_force, 2, 0)
    return torch.where(torch.isfinite(energies) & torch.isfinite(largest_forces), code, 1)
