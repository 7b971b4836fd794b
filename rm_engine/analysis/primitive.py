"""Crystals in their primitive Niggli cells, and how one maps onto another: pymatgen's StructureMatcher, compiled.

The kernel takes the same steps, hundreds of times faster. Where the reduced cell is not unique (to 1e-5 in its lengths
and 1 degree in its angles) it may take another one than pymatgen, whose choice depends on the cell that it is given:
distances of distant matches then differ in their fourth digit. Where there is no compiler pymatgen does the work.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final

import numpy as np
from ase import Atoms
from ase.data import chemical_symbols
from numpy.typing import NDArray

from rm_engine.kernels.crystals import CellArray, MappingTolerances, load_crystal_kernel

if TYPE_CHECKING:
    from pymatgen.core.structure import Structure

_SAME_ATOM: Final = 0.25
"""Å; pymatgen's default: atoms that repeat one another up to this, in each coordinate, make a cell smaller."""
_ALPHABETICAL: Final = np.argsort(np.argsort(chemical_symbols))
"""Place of each element in the alphabet: pymatgen looks for smaller cells with the first of the rarest elements."""


@dataclass(frozen=True, eq=False)
class PrimitiveCell:
    """A crystal in its primitive Niggli cell, atoms grouped by element.

    Attributes:
        elements: atomic number of each group.
        array: the cell scaled to one atom per unit volume, and fractional coordinates.
        scale: (volume per atom)^(1/3), Å.
    """

    elements: NDArray[np.int64]
    array: CellArray
    scale: float

    @property
    def shape(self) -> tuple[int, ...]:
        """What two primitive cells of one reduced formula share if one maps onto the other, atom for atom."""
        return self.array.blocks

    @property
    def numbers(self) -> NDArray[np.int64]:
        """Atomic numbers (n_atoms)."""
        return np.repeat(self.elements, np.diff(self.array.blocks))

    @property
    def cell(self) -> NDArray[np.float64]:
        """Cell vectors (3, 3), Å."""
        return self.array.data[:3] * self.scale

    @property
    def positions(self) -> NDArray[np.float64]:
        """Cartesian positions (n_atoms, 3), Å."""
        return self.array.data[3:] @ self.cell

    @cached_property
    def structure(self) -> Structure:
        """For pymatgen, which lays the first atom of the first of the rarest elements on those of the other one."""
        from pymatgen.core.structure import Structure  # noqa: PLC0415

        order = np.roll(np.arange(self.shape[-1]), -self.array.origin)
        return Structure(self.cell, self.numbers[order].tolist(), self.array.data[3:][order])


def find_primitive_cell(atoms: Atoms) -> PrimitiveCell:
    """The primitive Niggli cell, by the steps of pymatgen's matcher."""
    elements, array = _group(atoms.numbers, atoms.cell.array, atoms.positions @ np.linalg.inv(atoms.cell.array))
    kernel = load_crystal_kernel()
    reduced = None if kernel is None else kernel.reduce(array, _SAME_ATOM)
    if reduced is None:
        elements, reduced = _group(*_reduce_with_pymatgen(atoms))
    scale = float(abs(np.linalg.det(reduced.data[:3])) / reduced.blocks[-1]) ** (1 / 3)
    reduced.data[:3] /= scale
    return PrimitiveCell(elements, reduced, scale)


def map_onto(
    crystal: PrimitiveCell, references: Sequence[PrimitiveCell], tolerances: MappingTolerances, *, largest: bool = False
) -> NDArray[np.float64]:
    """How far a crystal is from references of its reduced formula and ``shape`` (n_references), infinite from those
    onto which it does not map within the tolerances. Units of (volume per atom)^(1/3), all scaled to one volume.

    Args:
        crystal: what is mapped.
        references: what it is mapped onto.
        tolerances: of cells and sites.
        largest: measure the largest displacement, of the first mapping found, instead of the root mean square
            of the best.
    """
    kernel = load_crystal_kernel()
    if kernel is not None:
        return kernel.match(crystal.array, [item.array for item in references], tolerances, largest=largest)
    return np.array([_map_with_pymatgen(crystal.structure, item.structure, tolerances, largest) for item in references])


def _group(
    numbers: NDArray[np.int64], cell: NDArray[np.float64], fractions: NDArray[np.float64]
) -> tuple[NDArray[np.int64], CellArray]:
    """Atomic number of each element, and the crystal with atoms grouped by element."""
    places = _ALPHABETICAL[numbers]
    order = np.argsort(places, kind="stable")
    starts = np.flatnonzero(np.diff(places[order], prepend=-1))
    blocks = [*starts.tolist(), len(numbers)]
    first_atoms = order[starts]
    rarest = np.lexsort((first_atoms, np.diff(blocks)))[0]
    data = np.concatenate([cell, fractions[order]])
    return numbers[first_atoms], CellArray(data, tuple(blocks), blocks[rarest])


def _reduce_with_pymatgen(atoms: Atoms) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
    """Atomic numbers (n_atoms), cell (3, 3), Å, and fractional coordinates (n_atoms, 3)."""
    from pymatgen.core.structure import Structure  # noqa: PLC0415

    structure = Structure(atoms.cell.array, atoms.numbers.tolist(), atoms.positions, coords_are_cartesian=True)
    primitive = structure.get_reduced_structure("niggli").get_primitive_structure().get_reduced_structure("niggli")
    return np.array(primitive.atomic_numbers), primitive.lattice.matrix, primitive.frac_coords


def _map_with_pymatgen(structure: Structure, other: Structure, tolerances: MappingTolerances, largest: bool) -> float:
    """The same by pymatgen: about three milliseconds."""
    from pymatgen.analysis.structure_matcher import StructureMatcher  # noqa: PLC0415

    matcher = StructureMatcher(
        ltol=tolerances.length, stol=tolerances.site, angle_tol=tolerances.angle, primitive_cell=False
    )
    if largest:
        return 0.0 if matcher.fit(structure, other, skip_structure_reduction=True) else np.inf
    found = matcher.get_rms_dist(structure, other)  # type: ignore[no-untyped-call]
    return np.inf if found is None else float(found[0])
