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


def check_geometry(state: RelaxationState, config: GuardConfig) -> Tensor:
    """(n_structures,) code into ``REASONS``, 0 where a neighbour list can be built."""
    structures, ratio = state.structures, state.determinants.abs()
    is_flat = (cell_heights(structures.cells) < config.smallest_height).any(dim=1)
    code = torch.where(is_flat, 5, 0)
    code = torch.where(ratio > config.largest_volume_ratio, 4, code)
    code = torch.where(ratio < config.smallest_volume_ratio, 3, code)
    code = torch.where(structures.is_crystal, code, 0)
    finite = torch.isfinite(structures.sum_over_atoms(structures.positions).sum(dim=1) + structures.volumes)
    return torch.where(finite, code, 1)


def check_forces(energies: Tensor, largest_forces: Tensor, config: GuardConfig) -> Tensor:
    """(n_structures,) code into ``REASONS``, 0 where a step can be made."""
    code = torch.where(largest_forces > config.largest_force, 2, 0)
    return torch.where(torch.isfinite(energies) & torch.isfinite(largest_forces), code, 1)
