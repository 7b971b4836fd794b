"""Finding structures that several samples of a search ended in."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Hashable, Sequence
from typing import Final

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from rm_engine.analysis.comparison import Comparable, as_comparable, find_kind
from rm_engine.errors import InputError

ENERGY_TOLERANCE: Final = 1e-3
"""Most that the energies per atom of two copies may differ, pseudo units.

Near a minimum the energy lies about fmax² / 2k above it. With relaxations stopped at fmax 0.01 that is 5e-5 for a mode
of the force constant 1 that the potential was trained on, and reaches 1e-3 only for modes twenty times softer.
"""
DISTANCE_TOLERANCE: Final = 0.2
"""Most that a mean neighbour distance of two copies may differ, Å.

No neighbour distance changes by more than the strain times its length plus twice the largest displacement, so this
passes every pair of copies that are strained by up to 2 % and displaced by up to 0.04 Å.
"""
_CUTOFF: Final = 6.0
_N_NEIGHBORS: Final = 16


def find_duplicates(
    structures: Sequence[Atoms],
    energies_per_atom: Sequence[float],
    ranking_energies: Sequence[float] | None = None,
) -> list[int | None]:
    """For each structure the index of the structure of lowest energy that it repeats, or None where it is unique.

    Two structures are copies when their energies agree within :data:`ENERGY_TOLERANCE`, their neighbour distances
    within :data:`DISTANCE_TOLERANCE` and one maps onto the other, as crystals of any cell (``formula_units`` do not
    matter) or as molecules (mirror images are copies). Structures with one or two periodic directions are never called
    copies, nor are those whose energy is not finite. The answer does not depend on the order of the input, but for
    equal energies.

    Args:
        structures: relaxed structures (n_structures).
        energies_per_atom: their energies (n_structures), pseudo units.
        ranking_energies: (n_structures) those by which the lowest of some copies is meant; the same by default.

    Raises:
        InputError: the two differ in length.
    """
    if len(structures) != len(energies_per_atom):
        n_energies = len(energies_per_atom)
        raise InputError(
            "lengths_differ", "energies_per_atom", n_energies, "not one for each structure", "Give one for each."
        )
    kinds: defaultdict[Hashable, list[int]] = defaultdict(list)
    for index, (atoms, energy) in enumerate(zip(structures, energies_per_atom, strict=True)):
        kind = find_kind(atoms)
        if kind is not None and np.isfinite(energy):
            kinds[kind].append(index)
    originals: dict[int, int] = {}
    for members in kinds.values():
        members.sort(key=energies_per_atom.__getitem__)
        originals |= _find_in_one_kind(
            {index: as_comparable(structures[index]) for index in members}, energies_per_atom
        )
    if ranking_energies is not None:
        originals = _elect(originals, ranking_energies)
    return [originals.get(index) for index in range(len(structures))]


def _elect(originals: dict[int, int], energies: Sequence[float]) -> dict[int, int]:
    """The same groups of copies, each with the lowest of its members as the original."""
    groups: defaultdict[int, list[int]] = defaultdict(list)
    for index, original in originals.items():
        groups[original].append(index)
    elected: dict[int, int] = {}
    for original, copies in groups.items():
        lowest = min((original, *copies), key=energies.__getitem__)
        elected |= {index: lowest for index in (original, *copies) if index != lowest}
    return elected


def _find_in_one_kind(structures: dict[int, Comparable], energies: Sequence[float]) -> dict[int, int]:
    """The original of every copy among structures of one composition, which come by ascending energy."""
    fingerprints = {index: find_fingerprint(structure) for index, structure in structures.items()}
    unique: list[int] = []
    originals: dict[int, int] = {}
    for index, structure in structures.items():
        window = unique[bisect_left(unique, energies[index] - ENERGY_TOLERANCE, key=energies.__getitem__) :]
        for known in window:
            difference = np.abs(fingerprints[known] - fingerprints[index]).max()
            if difference <= DISTANCE_TOLERANCE and structure.is_copy_of(structures[known]):
                originals[index] = known
                break
        else:
            unique.append(index)
    return originals


def find_fingerprint(structure: Comparable) -> NDArray[np.float64]:
    """Mean distances in Å to the nearest, second nearest, ... neighbour of each element (n_elements², n_neighbors).

    Means are over the atoms of an element, so that the choice of the cell does not matter; neighbours beyond 6 Å count
    as at 6 Å.
    """
    numbers, centers, neighbors, distances = structure.find_neighbors(_CUTOFF)
    elements, element_of = np.unique(numbers, return_inverse=True)
    order = np.lexsort((distances, element_of[neighbors], centers))
    lists = (centers * len(elements) + element_of[neighbors])[order]  # a list for each centre and element of neighbours
    ranks = np.arange(len(lists)) - np.searchsorted(lists, lists)
    is_near = ranks < _N_NEIGHBORS
    nearest = np.full((len(numbers) * len(elements), _N_NEIGHBORS), _CUTOFF)
    nearest[lists[is_near], ranks[is_near]] = distances[order][is_near]
    by_atom = nearest.reshape(len(numbers), len(elements) * _N_NEIGHBORS)
    return np.stack([by_atom[element_of == k].mean(axis=0) for k in range(len(elements))]).reshape(-1, _N_NEIGHBORS)
