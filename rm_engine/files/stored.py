"""What a structure file gives: structures with the values that stood beside them, within limits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from rm_engine.errors import FileFormatError

if TYPE_CHECKING:
    from ase import Atoms

MAX_LENGTH: Final = 10_000.0
"""Å; no atom and no end of a cell vector of a structure that is read is farther from the origin, along any axis."""
MIN_HEIGHT: Final = 0.1
"""Å; the faces of a periodic cell are farther apart: neighbours are sought in as many cells as fit into a cutoff."""


@dataclass(frozen=True)
class FileLimits:
    """Bounds on what is read from one file.

    Attributes:
        max_bytes: size of the text after decompression.
        max_frames: number of structures.
        max_atoms: number of atoms in one structure.
        only_physical: refuse lengths that are no numbers or beyond all bounds, species that are no elements and cells
            without volume.
            Otherwise extended XYZ gives them as they stand, a foreign species as element 0, for whoever wants to tell
            which structures of a file are at fault.
    """

    max_bytes: int = 2**30
    max_frames: int = 1_000_000
    max_atoms: int = 2000
    only_physical: bool = True


@dataclass(frozen=True)
class StoredStructure:
    """One structure of a file.

    Attributes:
        name: its identifier in the file (``material_id`` or ``name``), else the file's name and its place in it.
        atoms: the structure, lengths in Å.
        info: the other values that the file gives for it.
    """

    name: str
    atoms: Atoms
    info: dict[str, Any]


def check_size(n_atoms: int, limits: FileLimits, name: str, line: int | None = None) -> None:
    """Raise :class:`FileFormatError` unless a structure holds at least one atom and at most the limit."""
    if not 1 <= n_atoms <= limits.max_atoms:
        raise FileFormatError(name, f"{n_atoms} atoms in a structure, 1 to {limits.max_atoms} can be read", line)


def check_cell(atoms: Atoms, name: str, line: int | None = None) -> None:
    """Raise :class:`FileFormatError` where atoms or cell reach too far, or a periodic cell is flat."""
    import numpy as np

    lengths = np.concatenate([atoms.cell.array, atoms.positions])
    if not (np.abs(lengths) <= MAX_LENGTH).all():  # also refuses NaN
        raise FileFormatError(name, f"a length is not a number, or above {MAX_LENGTH:,.0f} Å", line)
    if atoms.pbc.any() and not _find_least_height(atoms) > MIN_HEIGHT:
        raise FileFormatError(name, "a periodic structure needs three cell vectors that do not lie in one plane", line)


def _find_least_height(atoms: Atoms) -> float:
    """The least distance between two opposite faces of the cell, Å; 0 where it has no volume."""
    import numpy as np

    volume = atoms.cell.volume
    a, b, c = atoms.cell.array
    areas = np.linalg.norm([np.cross(b, c), np.cross(c, a), np.cross(a, b)], axis=1)
    return float(volume / areas.max()) if volume > 0 else 0.0
