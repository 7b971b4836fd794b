"""Space groups, by spglib (DOI 10.1080/27660400.2024.2384822).

moyo is ten times faster, but its version 0.21 never returns on some relaxed structures, and grows without bound
meanwhile.
"""

from __future__ import annotations

from dataclasses import dataclass

import spglib
from ase import Atoms

spglib.error.OLD_ERROR_HANDLING = False  # failures are exceptions, which spglib makes the default in its next version


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
    cell = (atoms.cell.array, atoms.get_scaled_positions(), atoms.numbers)
    try:
        dataset = spglib.get_symmetry_dataset(cell, symprec=symprec)
    except spglib.SpglibError:
        dataset = None
    return SpaceGroup(dataset.number, dataset.international) if dataset else SpaceGroup(1, "P1")
