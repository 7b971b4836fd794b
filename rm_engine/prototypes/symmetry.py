"""Known crystals as their space groups see them: which Wyckoff positions the atoms are on.

Of moyo (https://github.com/spglib/moyo), because it knows the normalizers of space groups. Not for what a search has
relaxed: version 0.21 never returns on some such structures.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final

import moyopy
import numpy as np
from ase import Atoms

from rm_engine.prototypes.orbits import Floats, Orbit
from rm_engine.prototypes.roles import rank_setting

logging.getLogger("moyo").setLevel(logging.ERROR)  # it warns of every cell that is not primitive

Orbits = tuple[Orbit, ...]
_SYMPREC: Final = 0.1


@dataclass(frozen=True)
class Symmetry:
    """A crystal as its space group sees it.

    Attributes:
        space_group: number in the International Tables.
        cell: (3, 3) vectors of the standard conventional cell, rows, Å.
        primitive: the standard primitive cell, made symmetric.
        orbits: its atoms.
    """

    space_group: int
    cell: Floats
    primitive: Atoms
    orbits: Orbits


def find_symmetry(atoms: Atoms) -> Symmetry:
    """Space group of a crystal and the orbits of its atoms, at a tolerance of 0.1 Å (moyo).

    Wyckoff letters depend on the origin and axes, of which the normalizer of the group leaves several to choose from.
    The choice is the one of :func:`rank_setting`, so that a prototype has one label, however the crystal was given.
    What was found of the last thousand crystals is remembered: searches ask for the same known ones again and again.

    Raises:
        ValueError: no symmetry can be determined.
    """
    return _find_symmetry(atoms.cell.array.tobytes(), atoms.get_scaled_positions().tobytes(), atoms.numbers.tobytes())


@lru_cache(maxsize=1000)
def _find_symmetry(cell_content: bytes, points_content: bytes, numbers_content: bytes) -> Symmetry:
    basis, points = (np.frombuffer(content).reshape(-1, 3) for content in (cell_content, points_content))
    numbers = np.frombuffer(numbers_content, dtype=int).tolist()
    dataset = moyopy.MoyoDataset(moyopy.Cell(basis.tolist(), points.tolist(), numbers), symprec=_SYMPREC)
    found = dataset.prim_std_cell
    primitive = Atoms(found.numbers, cell=found.basis, scaled_positions=found.positions, pbc=True)
    orbits = tuple(_find_orbits(dataset, numbers))
    settings = _find_settings(dataset, orbits)
    return Symmetry(dataset.number, np.array(dataset.std_cell.basis), primitive, min(settings, key=rank_setting))


def _find_orbits(dataset: moyopy.MoyoDataset, numbers: list[int]) -> Iterator[Orbit]:
    primitive = np.array(dataset.prim_std_cell.positions)
    to_conventional = np.array(dataset.prim_std_cell.basis) @ np.linalg.inv(np.array(dataset.std_cell.basis))
    for first in sorted(set(dataset.orbits)):
        members = {dataset.mapping_std_prim[atom] for atom, orbit in enumerate(dataset.orbits) if orbit == first}
        point = primitive[dataset.mapping_std_prim[first]] @ to_conventional
        yield Orbit(numbers[first], dataset.wyckoffs[first], len(members), point)


def _find_settings(dataset: moyopy.MoyoDataset, orbits: Orbits) -> Iterator[Orbits]:
    """The orbits by every choice of origin and axes that gives them other letters."""
    normalizer = dataset.normalizer_wyckoff_positions()
    for move, positions in normalizer.coset_representatives:
        names = {old.letter: new.letter for old, new in zip(normalizer.wyckoffs, positions, strict=True)}
        linear, shift = np.array(move.linear, dtype=float), np.array(move.origin_shift)
        yield tuple(replace(orbit, letter=names[orbit.letter], point=linear @ orbit.point + shift) for orbit in orbits)
