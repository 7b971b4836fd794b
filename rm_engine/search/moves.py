"""What changes a relaxed structure, so that it may relax to another one."""

from __future__ import annotations

from itertools import chain, zip_longest
from typing import Final

import numpy as np
from ase import Atoms

from rm_engine.search.walk import Move
from rm_engine.spec import GenerationSpec

_DISPLACEMENT: Final = 0.6
"""Å, standard deviation of each coordinate of an atom."""

_STRAIN: Final = 0.2
"""Standard deviation of each component of the strain of a cell."""


def plan_moves(spec: GenerationSpec) -> list[Move]:
    """The moves that a run asks of each structure: both kinds in turn until there are no more of one."""
    shake = shake_all if spec.is_crystal and not spec.fixed_cell else shake_atoms
    turns = zip_longest([exchange] * spec.swaps, [shake] * spec.hops)
    return [move for move in chain.from_iterable(turns) if move is not None]


def exchange(atoms: Atoms, rng: np.random.Generator) -> Atoms | None:
    """Two atoms of different elements, drawn at random, change places.

    A relaxation moves atoms, but never lets two of them pass one another; with every further element there are more
    ways to put them on the same sites, of which a start has one.
    """
    first, second = np.nonzero(np.triu(atoms.numbers[:, None] != atoms.numbers))
    if not len(first):
        return None
    exchanged: Atoms = atoms.copy()
    pair = rng.integers(len(first))
    rows = [first[pair], second[pair]]
    exchanged.numbers[rows] = atoms.numbers[rows[::-1]]
    return exchanged


def shake_atoms(atoms: Atoms, rng: np.random.Generator) -> Atoms:
    """Every atom is displaced."""
    shaken: Atoms = atoms.copy()
    shaken.positions += _DISPLACEMENT * rng.standard_normal((len(atoms), 3))
    return shaken


def shake_all(atoms: Atoms, rng: np.random.Generator) -> Atoms:
    """The cell is strained, its volume kept, and every atom displaced."""
    noise = _STRAIN * rng.standard_normal((3, 3))
    deformation = np.eye(3) + (noise + noise.T) / 2
    strained: Atoms = atoms.copy()
    strained.set_cell(atoms.cell.array @ deformation / np.cbrt(np.linalg.det(deformation)), scale_atoms=True)
    return shake_atoms(strained, rng)
