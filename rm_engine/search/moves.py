"""What changes a relaxed structure, so that it may relax to another one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from ase import Atoms

from rm_engine.search.walk import Relaxed

_DISPLACEMENT: Final = 0.6
"""Å, standard deviation of each coordinate of an atom."""

_STRAIN: Final = 0.2
"""Standard deviation of each component of the strain of a cell."""


def exchange(structures: Sequence[Relaxed], row: int, rng: np.random.Generator) -> Atoms | None:
    """Two atoms of different elements, drawn at random, change places.

    A relaxation moves atoms, but never lets two of them pass one another; with every further element there are more
    ways to put them on the same sites, of which a start has one.
    """
    atoms = structures[row].atoms
    first, second = np.nonzero(np.triu(atoms.numbers[:, None] != atoms.numbers))
    if not len(first):
        return None
    exchanged: Atoms = atoms.copy()
    pair = rng.integers(len(first))
    rows = [first[pair], second[pair]]
    exchanged.numbers[rows] = atoms.numbers[rows[::-1]]
    return exchanged


def shake_atoms(structures: Sequence[Relaxed], row: int, rng: np.random.Generator) -> Atoms:
    """Every atom is displaced."""
    return _displace(structures[row].atoms, rng)


def shake_all(structures: Sequence[Relaxed], row: int, rng: np.random.Generator) -> Atoms:
    """The cell is strained, its volume kept, and every atom displaced."""
    noise = _STRAIN * rng.standard_normal((3, 3))
    deformation = np.eye(3) + (noise + noise.T) / 2
    strained: Atoms = structures[row].atoms.copy()
    strained.set_cell(strained.cell.array @ deformation / np.cbrt(np.linalg.det(deformation)), scale_atoms=True)
    return _displace(strained, rng)


def _displace(atoms: Atoms, rng: np.random.Generator) -> Atoms:
    displaced: Atoms = atoms.copy()
    displaced.positions += _DISPLACEMENT * rng.standard_normal((len(atoms), 3))
    return displaced
