"""Crystals reduced and mapped onto one another, compiled."""

from __future__ import annotations

import ctypes
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

from rm_engine.kernels.compiler import compile_kernel

_ADDRESS: Final = ctypes.c_void_p
_INT: Final = ctypes.c_int
_DOUBLE: Final = ctypes.c_double


@dataclass(frozen=True)
class MappingTolerances:
    """How far a crystal that is mapped onto another may differ: ``ltol``, ``stol`` and ``angle_tol`` of pymatgen.

    Attributes:
        length: relative difference of the lengths of cell vectors.
        site: displacement in units of (volume per atom)^(1/3).
        angle: difference of the angles of the cell, degrees.
    """

    length: float
    site: float
    angle: float


@dataclass(frozen=True, eq=False)
class CellArray:
    """A crystal as the kernel takes it.

    Attributes:
        data: (3 + n_atoms, 3) float64, contiguous: the cell, Å or any other unit, then fractional coordinates.
        blocks: first atom of each element, and the number of atoms at the end.
        origin: an atom of an element with the fewest atoms.
    """

    data: NDArray[np.float64]
    blocks: tuple[int, ...]
    origin: int

    @cached_property
    def address(self) -> int:
        """Where ``data`` lies in memory."""
        return int(self.data.ctypes.data)


class CrystalKernel:
    """The functions of the compiled kernel."""

    def __init__(self, library: ctypes.CDLL) -> None:
        self._match, self._reduce = library.match_crystals, library.reduce_crystal
        sizes = (_INT, _INT, _ADDRESS)
        self._match.argtypes = (*sizes, _ADDRESS, _INT, *(_ADDRESS,) * 2, *(_DOUBLE,) * 3, _INT, _ADDRESS)
        self._reduce.argtypes = (*sizes, _DOUBLE, _ADDRESS)

    def reduce(self, crystal: CellArray, tolerance: float) -> CellArray | None:
        """The primitive Niggli cell, in the memory of ``crystal``; None where the cell cannot be reduced.

        Args:
            crystal: lengths in Å.
            tolerance: up to which atoms repeat one another, Å, for each coordinate.
        """
        blocks = crystal.blocks
        size = self._reduce(blocks[-1], *_describe(blocks), tolerance, crystal.address)
        if size == 1:
            return crystal
        if size <= 0:
            return None
        data, blocks = crystal.data[: 3 + blocks[-1] // size], tuple(start // size for start in blocks)
        return CellArray(data, blocks, blocks[int(np.argmin(np.diff(blocks)))])

    def match(
        self,
        crystal: CellArray,
        references: Sequence[CellArray],
        tolerances: MappingTolerances,
        *,
        largest: bool = False,
    ) -> NDArray[np.float64]:
        """How far a crystal is from each reference (n_references), infinite where no mapping is within the tolerances,
        and where a cell is thousands of times flatter than the other.

        Args:
            crystal: in a cell of one atom per unit volume, like the references.
            references: with the same ``blocks``.
            tolerances: of cells and sites.
            largest: measure the largest displacement, of the first mapping within the tolerance, instead of the root
                mean square displacement of the best one.

        Raises:
            MemoryError: there is none left.
        """
        blocks = crystal.blocks
        distances = np.empty(len(references))
        status = self._match(
            blocks[-1],
            *_describe(blocks),
            crystal.address,
            len(references),
            (ctypes.c_void_p * len(references))(*(reference.address for reference in references)),
            (ctypes.c_int32 * len(references))(*(reference.origin for reference in references)),
            tolerances.length,
            tolerances.site,
            math.radians(tolerances.angle),
            largest,
            distances.ctypes.data,
        )
        if status:
            raise MemoryError(f"No memory to map crystals of {blocks[-1]} atoms.")
        return distances


def _describe(blocks: tuple[int, ...]) -> tuple[int, ctypes.Array[ctypes.c_int32]]:
    """Number of elements, and their first atoms."""
    return len(blocks) - 1, (ctypes.c_int32 * len(blocks))(*blocks)


@cache
def load_crystal_kernel() -> CrystalKernel | None:
    """The kernel, or None where it cannot be had."""
    library = compile_kernel("crystals")
    return None if library is None else CrystalKernel(library)
