"""Space groups, by moyo (https://github.com/spglib/moyo), which follows spglib (DOI 10.1080/27660400.2024.2384822)."""

from __future__ import annotations

import logging
from dataclasses import dataclass

import moyopy
from ase import Atoms

logging.getLogger("moyo").setLevel(logging.ERROR)  # it warns of every cell that is not primitive


@dataclass(frozen=True)
class SpaceGroup:
    """A space group: its number in the International Tables and its short Hermann-Mauguin symbol."""

    number: int
    symbol: str


def find_space_group(atoms: Atoms, symprec: float = 0.1) -> SpaceGroup | None:
    """The space group of a crystal, or None for anything that is not periodic in three directions.

    Args:
        atoms: the structure.
        symprec: how far atoms may lie from their symmetric positions, Å; 0.1 is what relaxed structures need.

    Returns:
        P1 where no symmetry can be determined, as with atoms closer than ``symprec``.
    """
    if not atoms.pbc.all():
        return None
    try:
        number = analyze_symmetry(atoms, symprec).number
    except ValueError:
        number = 1
    return SpaceGroup(number, moyopy.SpaceGroupType(number).hm_short.replace(" ", ""))


def analyze_symmetry(atoms: Atoms, symprec: float = 0.1) -> moyopy.MoyoDataset:
    """All that moyo finds out about the symmetry of a crystal, at a tolerance in Å.

    Raises:
        ValueError: no symmetry can be determined.
    """
    cell = moyopy.Cell(atoms.cell.array.tolist(), atoms.get_scaled_positions().tolist(), atoms.numbers.tolist())
    return moyopy.MoyoDataset(cell, symprec=symprec)
