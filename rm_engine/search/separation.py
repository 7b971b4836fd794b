"""Least distances between atoms of a random start."""

from __future__ import annotations

from functools import lru_cache
from math import ceil, sqrt
from typing import Final

import numpy as np
from ase import Atoms
from ase.data import covalent_radii
from numpy.typing import NDArray

from rm_engine.spec import GenerationSpec

CONTACT: Final = 0.65
"""Default least distance as a fraction of the sum of covalent radii (DOI 10.1039/b801115j): well below any bond, so
that it excludes no structure, yet above where the pseudo energy surface has seen nothing."""

FUSED: Final = 0.5
"""Below this fraction of the sum of covalent radii two atoms of a relaxed structure have fallen into one another."""

Distances = NDArray[np.float64]


def asked_distances(numbers: NDArray[np.int64], spec: GenerationSpec) -> Distances:
    """(n_atoms, n_atoms) least distances that a run asks for, Å; NaN for pairs of which it says nothing."""
    asked = np.full((len(numbers), len(numbers)), np.nan if spec.min_distance is None else spec.min_distance)
    for (first, second), distance in spec.least_by_pair.items():
        asked[np.ix_(numbers == first, numbers == second)] = distance
    return asked


def least_distances(numbers: NDArray[np.int64], asked: Distances | None = None, contact: float = CONTACT) -> Distances:
    """(n_atoms, n_atoms) least distances, Å: those asked for, and where there is none (NaN) a fraction of the covalent
    radii.
    """
    radii = covalent_radii[numbers]
    usual = np.asarray(contact * (radii[:, None] + radii[None, :]))
    return usual if asked is None else np.where(np.isnan(asked), usual, asked)


def inverse_heights(cell: NDArray[np.float64]) -> NDArray[np.float64]:
    """(3,) one over the distance between opposite faces of a cell, along each of its vectors, 1/Å."""
    return np.asarray(np.sqrt((np.linalg.inv(cell) ** 2).sum(axis=0)))


def lattice_points(cell: NDArray[np.float64], periodic: tuple[bool, bool, bool], reach: float) -> NDArray[np.float64]:
    """(n_points, 3) lattice vectors, the zero vector first, that may bring an image of one atom in the cell within
    ``reach`` of another.
    """
    inverses = inverse_heights(cell).tolist()
    limits = (ceil(reach * inverse) if repeats else 0 for inverse, repeats in zip(inverses, periodic, strict=True))
    return np.asarray(_lattice_steps(*limits) @ cell)


@lru_cache(maxsize=256)
def _lattice_steps(*limits: int) -> NDArray[np.float64]:
    """(n_points, 3) whole numbers up to these limits, the nearest to zero first."""
    steps = np.stack(np.meshgrid(*(np.arange(-n, n + 1) for n in limits), indexing="ij"), axis=-1).reshape(-1, 3)
    return steps[np.argsort(np.abs(steps).sum(axis=1), kind="stable")].astype(float)


@lru_cache(maxsize=256)
def _pairs(n_atoms: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Every pair of different atoms, once."""
    return np.triu_indices(n_atoms, 1)


def closest_contact(atoms: Atoms, least: Distances) -> float:
    """The smallest ratio of a distance between two atoms, images included, to what it should be at least.

    Args:
        atoms: with positions inside the cell, if there is one.
        least: (n_atoms, n_atoms) least distances, Å.
    """
    cell = atoms.cell if atoms.pbc.all() else atoms.cell.complete()
    points = lattice_points(cell.array, tuple(atoms.pbc.tolist()), float(least.max()))
    lengths2 = (points**2).sum(axis=1)
    first, second = _pairs(len(atoms))
    vectors = atoms.positions[second] - atoms.positions[first]
    # |vector + point|^2 multiplied out: a matrix product instead of an array of all vectors
    distances2 = (lengths2 + 2 * vectors @ points.T).min(axis=1) + (vectors**2).sum(axis=1)
    to_others = (distances2 / least[first, second] ** 2).min(initial=np.inf)
    to_images = lengths2[1:].min(initial=np.inf) / least.diagonal().max() ** 2
    return sqrt(max(0.0, min(to_others, to_images)))


def has_fused_atoms(atoms: Atoms) -> bool:
    """Whether two atoms lie closer than any real pair; positions are inside the cell."""
    return closest_contact(atoms, least_distances(atoms.numbers, contact=FUSED)) < 1
