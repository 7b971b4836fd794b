"""Telling whether two structures are the same, whatever the choice of cell, origin, orientation and order of atoms."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from functools import cached_property, reduce
from typing import Final, Self

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from rm_engine.analysis.primitive import PrimitiveCell, find_primitive_cell, map_onto
from rm_engine.kernels.crystals import MappingTolerances

_KNOWN: Final = MappingTolerances(length=0.3, site=0.5, angle=10)
"""The tolerances that crystal structure prediction is commonly judged by."""

_COPY: Final = MappingTolerances(length=0.1, site=0.2, angle=5)
"""Copies were relaxed on one energy surface: they differ by where relaxation stopped, and by nothing else."""

_KNOWN_MOLECULE: Final = 0.1
"""Å; loose enough for the errors of a model: 1.6 % of 7,101 molecules of QM7 have another one this close."""

_COPY_MOLECULE: Final = 0.05
"""Å; 0.4 % of the molecules of QM7 have another one this close, and these agree to 0.01 Å: they are mirror images."""

_ITSELF: Final = 1e-8
"""Å up to which a point is an atom itself."""

Neighbors = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]


def find_kind(atoms: Atoms) -> Hashable | None:
    """What two structures must have in common to be compared; None for what is periodic in one or two directions.

    Crystals share the reduced formula, as a cell may hold any number of formula units; molecules share the formula.
    """
    counts = Counter(atoms.numbers.tolist())
    if not atoms.pbc.any():
        return "molecule", *sorted(counts.items())
    if not atoms.pbc.all():
        return None
    divisor = reduce(math.gcd, counts.values())
    return "crystal", *sorted((number, count // divisor) for number, count in counts.items())


@dataclass(frozen=True, eq=False)
class Comparable(ABC):
    """A structure prepared for comparison with others of its kind; the work is done once, on first use."""

    atoms: Atoms

    @abstractmethod
    def find_rms(self, others: Sequence[Self]) -> NDArray[np.float64]:
        """How far this is from each of the known structures (n_others), infinite where it is another one."""

    @abstractmethod
    def is_copy_of(self, other: Self) -> bool:
        """Whether both are one structure, relaxed on one energy surface."""

    @abstractmethod
    def find_neighbors(self, cutoff: float) -> Neighbors:
        """Atomic numbers (n_atoms) and the pairs within ``cutoff``: centre, neighbour and distance in Å (n_pairs)."""


class Crystal(Comparable):
    """A crystal in its primitive Niggli cell.

    The matcher maps primitive cells one to one, so those with different numbers of atoms are told apart beforehand.
    """

    @cached_property
    def primitive(self) -> PrimitiveCell:
        """The primitive Niggli cell."""
        return find_primitive_cell(self.atoms)

    def find_rms(self, others: Sequence[Self]) -> NDArray[np.float64]:
        """Root mean square displacements after the best alignment, in units of (volume per atom)^(1/3)."""
        return self._map_onto(others, _KNOWN)

    def is_copy_of(self, other: Self) -> bool:
        """Whether one maps onto the other within tight tolerances."""
        return self.fits(other, _COPY)

    def fits(self, other: Self, tolerances: MappingTolerances) -> bool:
        """Whether there is a mapping onto the other that displaces no atom by more than the tolerance."""
        return bool(np.isfinite(self._map_onto([other], tolerances, largest=True)[0]))

    def find_neighbors(self, cutoff: float) -> Neighbors:
        """The pairs in the periodic crystal, centres in the reduced cell."""
        from pymatgen.optimization.neighbors import find_points_in_spheres  # noqa: PLC0415  # a fifth of a second

        positions, cell = self.primitive.positions, self.primitive.cell
        centers, neighbors, _, distances = find_points_in_spheres(
            positions, positions, r=cutoff, pbc=np.ones(3, dtype=np.int64), lattice=cell, tol=_ITSELF
        )
        is_other = distances > _ITSELF
        return self.primitive.numbers, centers[is_other], neighbors[is_other], distances[is_other]

    def _map_onto(
        self, others: Sequence[Self], tolerances: MappingTolerances, *, largest: bool = False
    ) -> NDArray[np.float64]:
        shape, cells = self.primitive.shape, [other.primitive for other in others]
        rows = [row for row, cell in enumerate(cells) if cell.array.blocks == shape]
        distances = np.full(len(others), np.inf)
        distances[rows] = map_onto(self.primitive, [cells[row] for row in rows], tolerances, largest=largest)
        return distances


class Molecule(Comparable):
    """A molecule as its sorted interatomic distances, one list for each pair of elements.

    They do not depend on orientation or order of atoms, nor do they tell mirror images apart.
    """

    @cached_property
    def distances(self) -> NDArray[np.float64]:
        """Distances in Å (n_atoms (n_atoms - 1) / 2), ordered by pair of elements, then by length."""
        first, second = np.triu_indices(len(self.atoms), k=1)
        pairs = np.sort(self.atoms.numbers[np.stack([first, second])], axis=0)
        distances = np.linalg.norm(self.atoms.positions[first] - self.atoms.positions[second], axis=1)
        return np.asarray(distances[np.lexsort((distances, *pairs))])

    def find_rms(self, others: Sequence[Self]) -> NDArray[np.float64]:
        """Root mean square differences of the distances, Å."""
        rms = self._measure(others)
        return np.where(rms <= _KNOWN_MOLECULE, rms, np.inf)

    def is_copy_of(self, other: Self) -> bool:
        """Whether the distances agree within a tight tolerance."""
        return bool(self._measure([other])[0] <= _COPY_MOLECULE)

    def _measure(self, others: Sequence[Self]) -> NDArray[np.float64]:
        differences = np.stack([other.distances for other in others]) - self.distances
        return np.asarray(np.linalg.norm(differences, axis=1) / math.sqrt(max(1, len(self.distances))))

    def find_neighbors(self, cutoff: float) -> Neighbors:
        """The pairs of the molecule, each in both directions."""
        distances = self.atoms.get_all_distances()
        np.fill_diagonal(distances, np.inf)
        centers, neighbors = np.nonzero(distances < cutoff)
        return self.atoms.numbers, centers, neighbors, distances[centers, neighbors]


def as_comparable(atoms: Atoms) -> Comparable:
    """Prepare a structure for which :func:`find_kind` is not None."""
    return Crystal(atoms) if atoms.pbc.all() else Molecule(atoms)
