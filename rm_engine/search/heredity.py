"""Evolution: what changes a relaxed structure is another one of the same population, or a mutation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from ase import Atoms

from rm_engine.search.moves import exchange
from rm_engine.search.walk import Move, Relaxed

_HEREDITY: Final = 0.6
"""Share of children that have two parents; others are mutants of one."""

_CUTS: Final = (0.3, 0.7)
"""Between which a cell is cut, as fractions of it."""


@dataclass(frozen=True)
class Breeding:
    """Makes a child of a structure: with a mate of the same atoms, the lower of two drawn at random, or by mutation.

    Attributes:
        shake: one of the mutations; the other is an exchange of atoms.
        mixes_cells: whether a child's cell lies between those of its parents, or is its own parent's.
        pressure: under which they relax, pseudo units per Å³.
    """

    shake: Move
    mixes_cells: bool
    pressure: float = 0.0

    def __call__(self, population: Sequence[Relaxed], row: int, rng: np.random.Generator) -> Atoms | None:
        """The child, before it relaxes."""
        own = population[row].atoms
        mates = [one for one in population if one is not population[row] and _has_same_atoms(one.atoms, own)]
        if mates and rng.random() < _HEREDITY:
            drawn = [mates[k] for k in rng.integers(len(mates), size=2)]
            mate = min(drawn, key=lambda one: one.enthalpy(self.pressure))
            return cross(own, mate.atoms, rng, mixes_cells=self.mixes_cells)
        exchanged = exchange(population, row, rng) if rng.random() < 1 / 2 else None
        return exchanged or self.shake(population, row, rng)


def cross(first: Atoms, second: Atoms, rng: np.random.Generator, *, mixes_cells: bool) -> Atoms:
    """A slab of one structure and the rest of another (Deaven & Ho, DOI 10.1103/PhysRevLett.75.288; in crystals Oganov
    & Glass, DOI 10.1063/1.2210932), each shifted at random. Atoms that are too many are left out, and those that are
    missing come from the parts cut off, both at random.

    Args:
        first: periodic along one vector at least, its cell reduced and in standard orientation.
        second: of the same atoms; likewise.
        rng: source of randomness.
        mixes_cells: whether the child's cell lies between both, or is that of the first.
    """
    axis, cut = rng.choice(np.flatnonzero(first.pbc)), rng.uniform(*_CUTS)
    parents = (first, second)
    places = np.concatenate([(one.get_scaled_positions() + one.pbc * rng.random(3)) % 1 for one in parents])
    numbers = np.concatenate([one.numbers for one in parents])
    is_below = places[:, axis] < cut
    is_cut_off = np.where(np.arange(len(numbers)) < len(first), ~is_below, is_below)
    order = np.lexsort((rng.random(len(numbers)), is_cut_off))
    rows = [
        order[numbers[order] == number][:count]
        for number, count in zip(*np.unique(first.numbers, return_counts=True), strict=True)
    ]
    chosen = np.concatenate(rows)
    cell = cut * first.cell.array + (1 - cut) * second.cell.array if mixes_cells else first.cell
    return Atoms(numbers[chosen], scaled_positions=places[chosen], cell=cell, pbc=first.pbc)


def _has_same_atoms(first: Atoms, second: Atoms) -> bool:
    return np.array_equal(np.sort(first.numbers), np.sort(second.numbers))
