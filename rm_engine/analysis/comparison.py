"""Telling whether two structures are the same, whatever the choice of cell, origin, orientation and order of atoms."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Hashable
from dataclasses import dataclass
from functools import cached_property, reduce
from math import gcd
from typing import Final, Self

import numpy as np
from ase import Atoms
from numpy.typing import NDArray
from pymatgen.analysis.structure_matcher import StructureMatcher
from pymatgen.core.structure import Structure
from scipy.spatial.distance import pdist

_KNOWN: Final = StructureMatcher(ltol=0.3, stol=0.5, angle_tol=10, primitive_cell=False)
"""The tolerances that crystal structure prediction is commonly judged by."""

_COPY: Final = StructureMatcher(ltol=0.1, stol=0.2, angle_tol=5, primitive_cell=False)
"""Copies were relaxed on one energy surface: they differ by where relaxation stopped, and by nothing else."""

_KNOWN_MOLECULE: Final = 0.1
"""Å; loose enough for the errors of a model: 1.6 % of 7,101 molecules of QM7 have another one this close."""

_COPY_MOLECULE: Final = 0.05
"""Å; 0.4 % of the molecules of QM7 have another one this close, and these agree to 0.01 Å: they are mirror images."""

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
    divisor = reduce(gcd, counts.values())
    return "crystal", *sorted((number, count // divisor) for number, count in counts.items())


@dataclass(frozen=True, eq=False)
class Comparable(ABC):
    """A structure prepared for comparison with others of its kind; the work is done once, on first use."""

    atoms: Atoms

    @abstractmethod
    def find_rms(self, other: Self) -> float | None:
        """How far this is from a known structure, or None where it is another structure."""

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
    def reduced(self) -> Structure:
        """The reduced cell, by the steps of pymatgen's matcher."""
        atoms = self.atoms
        structure = Structure(atoms.cell.array, atoms.numbers.tolist(), atoms.positions, coords_are_cartesian=True)
        return structure.get_reduced_structure("niggli").get_primitive_structure()

    def find_rms(self, other: Self) -> float | None:
        """Root mean square displacement after the best alignment, in units of (volume per atom)^(1/3)."""
        if len(self.reduced) != len(other.reduced):
            return None
        found = _KNOWN.get_rms_dist(self.reduced, other.reduced)  # type: ignore[no-untyped-call]
        return None if found is None else float(found[0])

    def is_copy_of(self, other: Self) -> bool:
        """Whether one maps onto the other within tight tolerances."""
        is_comparable = len(self.reduced) == len(other.reduced)
        return is_comparable and _COPY.fit(self.reduced, other.reduced, skip_structure_reduction=True)

    def find_neighbors(self, cutoff: float) -> Neighbors:
        """The pairs in the periodic crystal, centres in the reduced cell."""
        centers, neighbors, _, distances = self.reduced.get_neighbor_list(cutoff)
        return np.array(self.reduced.atomic_numbers), centers, neighbors, distances


class Molecule(Comparable):
    """A molecule as its sorted interatomic distances, one list for each pair of elements.

    They do not depend on orientation or order of atoms, nor do they tell mirror images apart.
    """

    @cached_property
    def distances(self) -> NDArray[np.float64]:
        """Distances in Å (n_atoms (n_atoms - 1) / 2), ordered by pair of elements, then by length."""
        pairs = np.sort(self.atoms.numbers[np.stack(np.triu_indices(len(self.atoms), k=1))], axis=0)
        distances = pdist(self.atoms.positions)
        return np.asarray(distances[np.lexsort((distances, *pairs))])

    def find_rms(self, other: Self) -> float | None:
        """Root mean square difference of the distances, Å."""
        rms = self._measure(other)
        return rms if rms <= _KNOWN_MOLECULE else None

    def is_copy_of(self, other: Self) -> bool:
        """Whether the distances agree within a tight tolerance."""
        return self._measure(other) <= _COPY_MOLECULE

    def _measure(self, other: Self) -> float:
        n_pairs = max(1, len(self.distances))
        return float(np.linalg.norm(self.distances - other.distances) / np.sqrt(n_pairs))

    def find_neighbors(self, cutoff: float) -> Neighbors:
        """The pairs of the molecule, each in both directions."""
        distances = self.atoms.get_all_distances()
        np.fill_diagonal(distances, np.inf)
        centers, neighbors = np.nonzero(distances < cutoff)
        return self.atoms.numbers, centers, neighbors, distances[centers, neighbors]


def as_comparable(atoms: Atoms) -> Comparable:
    """Prepare a structure for which :func:`find_kind` is not None."""
    return Crystal(atoms) if atoms.pbc.all() else Molecule(atoms)
