"""The symmetry of a crystal whose space group is known, as a relaxation keeps it."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from rm_engine.prototypes.orbits import Floats, find_operations
from rm_engine.structure import CrystalSymmetry

_SAME_PLACE: Final = 1e-2
"""Å, up to which an atom is where an operation brings another; known crystals are symmetric to less."""
_ORTHOGONAL: Final = 1e-6
"""Up to which an operation keeps angles and lengths of the cell."""


def conventional_cell(space_group: int, primitive: Floats) -> Floats:
    """(3, 3) conventional cell, rows are vectors, Å, of the standard primitive cell (3, 3)."""
    return np.asarray(np.linalg.solve(find_operations(space_group).primitive, primitive))


def find_crystal_symmetry(space_group: int, atoms: Atoms, conventional: Floats) -> CrystalSymmetry | None:
    """The operations of a space group on a crystal that has it; None where they do not map it onto itself.

    Args:
        space_group: number in the International Tables.
        atoms: a primitive cell.
        conventional: (3, 3) vectors of the standard conventional cell, rows, Å, to whose origin the positions count.
    """
    turns, shifts = _turns(space_group)
    inverse = np.linalg.inv(conventional)
    rotations = conventional.T @ turns @ inverse.T
    if np.abs(rotations @ rotations.transpose(0, 2, 1) - np.eye(3)).max() > _ORTHOGONAL:
        return None
    moved = atoms.positions @ rotations.transpose(0, 2, 1) + (shifts @ conventional)[:, None]
    images = _find_images(atoms, moved)
    return None if images is None else CrystalSymmetry(np.ascontiguousarray(rotations), images)


@lru_cache(maxsize=256)
def _turns(space_group: int) -> tuple[Floats, Floats]:
    """Rotations (n_operations, 3, 3), each once, and translations (n_operations, 3) of the operations of a group: those
    that differ by a centring do the same to a primitive cell.
    """
    operations = find_operations(space_group)
    _, first = np.unique(operations.rotations.reshape(-1, 9), axis=0, return_index=True)
    rows = np.sort(first)
    return operations.rotations[rows], operations.translations[rows]


def _find_images(atoms: Atoms, moved: Floats) -> NDArray[np.int32] | None:
    """(n_operations, n_atoms) the atom of which there is an image at each of the places ``moved`` (n_operations,
    n_atoms, 3); None where one place is empty, or another element's.
    """
    cell = atoms.cell.array
    apart = (moved[:, :, None] - atoms.positions) @ np.linalg.inv(cell)
    distances = np.linalg.norm((apart - np.round(apart)) @ cell, axis=-1)
    distances[:, atoms.numbers[:, None] != atoms.numbers] = np.inf
    images = distances.argmin(axis=2).astype(np.int32)
    is_found = np.take_along_axis(distances, images[..., None], axis=2).max() < _SAME_PLACE
    is_permutation = (np.sort(images, axis=1) == np.arange(len(atoms))).all()
    return images if is_found and is_permutation else None
