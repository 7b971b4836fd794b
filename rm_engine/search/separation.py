"""Least distances between atoms of a random start."""

from __future__ import annotations

from typing import Final

import numpy as np
from ase import Atoms
from ase.data import covalent_radii
from numpy.typing import NDArray

CONTACT: Final = 0.65
"""Default least distance as a fraction of the sum of covalent radii (DOI 10.1039/b801115j): well below any bond, so
that it excludes no structure, yet above where the pseudo energy surface has seen nothing."""

FUSED: Final = 0.5
"""Below this fraction of the sum of covalent radii two atoms of a relaxed structure have fallen into one another."""

Distances = NDArray[np.float64]


def least_distances(numbers: NDArray[np.int64], min_distance: float | None, contact: float = CONTACT) -> Distances:
    """(n_atoms, n_atoms) least distances, Å: ``min_distance`` for every pair, or a fraction of the covalent radii
    where it is None.
    """
    if min_distance is not None:
        return np.full((len(numbers), len(numbers)), min_distance)
    radii = covalent_radii[numbers]
    return np.asarray(contact * (radii[:, None] + radii[None, :]))


def lattice_points(cell: NDArray[np.float64], periodic: tuple[bool, bool, bool], reach: float) -> NDArray[np.float64]:
    """(n_points, 3) lattice vectors, the zero vector first, that may bring an image of one atom in the cell within
    ``reach`` of another.
    """
    heights = 1 / np.linalg.norm(np.linalg.inv(cell), axis=0)
    limits = [int(np.ceil(reach / height)) if repeats else 0 for height, repeats in zip(heights, periodic, strict=True)]
    steps = np.stack(np.meshgrid(*(np.arange(-n, n + 1) for n in limits), indexing="ij"), axis=-1).reshape(-1, 3)
    order = np.argsort(np.abs(steps).sum(axis=1), kind="stable")
    return np.asarray(steps[order] @ cell)


def closest_contact(atoms: Atoms, least: Distances) -> float:
    """The smallest ratio of a distance between two atoms, images included, to what it should be at least.

    Args:
        atoms: with positions inside the cell, if there is one.
        least: (n_atoms, n_atoms) least distances, Å.
    """
    n_atoms = len(atoms)
    points = lattice_points(atoms.cell.complete().array, tuple(atoms.pbc.tolist()), float(least.max()))
    positions = atoms.positions
    distances = np.linalg.norm(positions[None, :, None] - positions[:, None, None] + points, axis=-1)
    distances[np.arange(n_atoms), np.arange(n_atoms), 0] = np.inf
    return float((distances.min(axis=2) / least).min())


def has_fused_atoms(atoms: Atoms) -> bool:
    """Whether two atoms lie closer than any real pair; positions are inside the cell."""
    return closest_contact(atoms, least_distances(atoms.numbers, None, FUSED)) < 1
