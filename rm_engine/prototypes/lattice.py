"""Shapes of conventional cells, as the numbers that a lattice system leaves free."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_LAST_OF_SYSTEM: Final = ((2, "triclinic"), (15, "monoclinic"), (74, "orthorhombic"), (142, "tetragonal"))
_FREE: Final = {
    "triclinic": (0, 1, 2, 3, 4),
    "monoclinic": (0, 1, 2),
    "orthorhombic": (0, 1),
    "tetragonal": (1,),
    "hexagonal": (1,),
    "cubic": (),
}
"""Of (ln b/a, ln c/a, cos beta, cos alpha, cos gamma) those that are free."""
_PAIRS: Final = ((0, 2), (1, 2), (0, 1))
"""The vectors between which those angles are."""


def find_lattice_system(space_group: int) -> str:
    """Lattice system of a space group in its conventional cell; trigonal groups have hexagonal ones."""
    for last, system in _LAST_OF_SYSTEM:
        if space_group <= last:
            return system
    return "hexagonal" if space_group <= 194 else "cubic"


def free_parameters(space_group: int) -> tuple[int, ...]:
    """Which of (ln b/a, ln c/a, cos beta, cos alpha, cos gamma) a space group leaves free."""
    return _FREE[find_lattice_system(space_group)]


def measure_shape(space_group: int, cell: Floats) -> list[float]:
    """The free shape parameters of a conventional cell: logarithms of axial ratios, and cosines."""
    a, b, c = np.linalg.norm(cell, axis=1)
    cosines = [float(cell[i] @ cell[j] / np.linalg.norm(cell[i]) / np.linalg.norm(cell[j])) for i, j in _PAIRS]
    everything = [float(np.log(b / a)), float(np.log(c / a)), *cosines]
    return [everything[row] for row in free_parameters(space_group)]


def build_cell(space_group: int, shape: Sequence[float] | Floats, volume: float) -> Floats:
    """The conventional cell of these free shape parameters and a volume in Å³; rows are vectors, Å.

    Raises:
        ValueError: the angles close no cell.
    """
    system = find_lattice_system(space_group)
    everything = np.zeros(5)
    everything[list(free_parameters(space_group))] = shape
    if system == "hexagonal":
        everything[4] = -0.5
    log_b, log_c, cos_beta, cos_alpha, cos_gamma = everything.tolist()
    if abs(cos_gamma) >= 1:
        raise ValueError("the angles close no cell")
    sin_gamma = np.sqrt(1 - cos_gamma**2)
    y = (cos_alpha - cos_beta * cos_gamma) / sin_gamma
    z2 = 1 - cos_beta**2 - y**2
    if not z2 > 0.05:
        raise ValueError("the angles close no cell")
    unit = np.array([[1.0, 0.0, 0.0], [cos_gamma, sin_gamma, 0.0], [cos_beta, y, np.sqrt(z2)]])
    cell = unit * np.exp([[0.0], [log_b], [log_c]])
    return np.asarray(cell * np.cbrt(volume / np.linalg.det(cell)))
