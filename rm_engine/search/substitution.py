"""Starts from known structures: other elements on their sites."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass
from math import gcd
from typing import Final, NamedTuple

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from rm_engine.prototypes import PrototypeTable, assign_elements, find_roles, find_symmetry, label_prototype
from rm_engine.spec import Formula
from rm_engine.units import ATOMIC_NUMBERS

_MAX_COMPARED: Final = 150
"""Known structures, those of the likeliest compositions, whose symmetry is looked at."""

Reference = tuple[str, Atoms]
"""Key and structure of something known."""


@dataclass(frozen=True)
class Substitution:
    """A known structure with its elements exchanged.

    Attributes:
        key: of the known structure.
        atoms: its primitive cell with the new elements on its sites.
        before: (n_atoms,) atomic numbers that were there.
        likelihood: how likely its elements are replaced by the new ones.
        space_group: number of its space group.
        conventional: (3, 3) vectors of its standard conventional cell, rows, Å.
    """

    key: str
    atoms: Atoms
    before: tuple[int, ...]
    likelihood: float
    space_group: int
    conventional: NDArray[np.float64]


class Candidate(NamedTuple):
    """A known structure, and the likeliest way to put other elements in the place of its own."""

    likelihood: float
    key: str
    atoms: Atoms
    exchange: dict[int, int]


def group_by_pattern(references: Iterable[Reference]) -> dict[tuple[int, ...], list[Reference]]:
    """Known crystals by their stoichiometry pattern, see :func:`find_pattern`."""
    groups: defaultdict[tuple[int, ...], list[Reference]] = defaultdict(list)
    for key, atoms in references:
        if atoms.pbc.all():
            groups[find_pattern(atoms.numbers.tolist())].append((key, atoms))
    return groups


def find_pattern(numbers: Iterable[int]) -> tuple[int, ...]:
    """The stoichiometry pattern of atoms, given by atomic numbers: how many of each element, reduced, ascending."""
    counts = sorted(Counter(numbers).values())
    divisor = gcd(*counts)
    return tuple(count // divisor for count in counts)


def rank_references(formula: Formula, references: Sequence[Reference], table: PrototypeTable) -> list[Candidate]:
    """The known structures whose elements are likeliest replaced by those of a formula of the same stoichiometry
    pattern, the likeliest first; the same for all multiples of the formula.

    Args:
        formula: the elements and their ratio.
        references: all of them of the formula's pattern.
        table: says which elements take one another's place.
    """
    counts = {ATOMIC_NUMBERS[symbol]: count for symbol, count in formula.counts}
    after = np.array(sorted(assign_elements(counts), reverse=True))
    known = [(_find_roles(atoms.numbers), key, atoms) for key, atoms in references]
    if not known:
        return []
    before = np.array([roles for roles, _, _ in known])
    likelihoods = table.exchange_probabilities[before[:, None], after].prod(axis=2)
    candidates = (
        Candidate(float(row[best]), key, atoms, dict(zip(roles, after[best].tolist(), strict=True)))
        for (roles, key, atoms), row, best in zip(known, likelihoods, likelihoods.argmax(axis=1), strict=True)
    )
    return sorted(candidates, key=lambda candidate: (-candidate.likelihood, candidate.key))[:_MAX_COMPARED]


def find_substitutions(
    formula: Formula, candidates: Iterable[Candidate], space_groups: Container[int] | None = None
) -> list[list[Substitution]]:
    """Known structures that can take a formula, in families of one prototype, the likeliest family and member first.

    Args:
        formula: contents of the primitive cell.
        candidates: from :func:`rank_references`; those with another number of atoms in the primitive cell are passed
            over.
        space_groups: those that are wanted; None stands for all.
    """
    families: defaultdict[str, list[Substitution]] = defaultdict(list)
    for candidate in candidates:
        if len(candidate.atoms) % formula.n_atoms:
            continue  # its primitive cell has another number of atoms
        try:
            symmetry = find_symmetry(candidate.atoms)
        except ValueError:
            continue
        wanted = space_groups is None or symmetry.space_group in space_groups
        if wanted and len(symmetry.primitive) == formula.n_atoms:
            primitive = symmetry.primitive.copy()
            before = tuple(primitive.numbers.tolist())
            primitive.numbers = [candidate.exchange[number] for number in before]
            label = label_prototype(symmetry.space_group, find_roles(symmetry.orbits)[0])
            families[label].append(
                Substitution(
                    candidate.key, primitive, before, candidate.likelihood, symmetry.space_group, symmetry.cell
                )
            )
    return sorted(families.values(), key=lambda family: -sum(member.likelihood for member in family))


def _find_roles(numbers: NDArray[np.int64]) -> list[int]:
    """The elements in the order of their pattern, those of equal count by number."""
    counts = Counter(numbers.tolist())
    return sorted(counts, key=lambda number: (counts[number], number))
