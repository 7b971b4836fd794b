"""Starts from known structures: other elements on their sites."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import gcd, prod
from typing import Final

from ase import Atoms

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
    """

    key: str
    atoms: Atoms
    before: tuple[int, ...]
    likelihood: float


def find_substitutions(
    formula: Formula, references: Sequence[Reference], table: PrototypeTable
) -> list[list[Substitution]]:
    """Known structures that can take a formula, in families of one prototype, the likeliest family and member first.

    Args:
        formula: contents of the primitive cell.
        references: structures with another stoichiometry pattern, or number of atoms in the primitive cell, are passed
            over.
        table: says which elements take one another's place.
    """
    counts = {ATOMIC_NUMBERS[symbol]: count for symbol, count in formula.counts}
    pattern, assignments = _pattern_of(counts), list(assign_elements(counts))
    candidates = []
    for key, atoms in references:
        known = Counter(atoms.numbers.tolist())
        if atoms.pbc.all() and _pattern_of(known) == pattern:
            candidates.append((*_find_exchange(known, assignments, table), key, atoms))
    candidates.sort(key=lambda candidate: (-candidate[0], candidate[2]))
    families: defaultdict[str, list[Substitution]] = defaultdict(list)
    for likelihood, exchange, key, atoms in candidates[:_MAX_COMPARED]:
        if len(atoms) % formula.n_atoms:
            continue  # its primitive cell has another number of atoms
        try:
            symmetry = find_symmetry(atoms)
        except ValueError:
            continue
        if len(symmetry.primitive) == formula.n_atoms:
            primitive = symmetry.primitive.copy()
            before = tuple(primitive.numbers.tolist())
            primitive.numbers = [exchange[number] for number in before]
            label = label_prototype(symmetry.space_group, find_roles(symmetry.orbits)[0])
            families[label].append(Substitution(key, primitive, before, likelihood))
    return sorted(families.values(), key=lambda family: -sum(member.likelihood for member in family))


def _pattern_of(counts: Mapping[int, int]) -> list[int]:
    """The stoichiometry pattern: reduced counts, ascending."""
    divisor = gcd(*counts.values())
    return sorted(count // divisor for count in counts.values())


def _find_exchange(
    known: Mapping[int, int], assignments: Sequence[tuple[int, ...]], table: PrototypeTable
) -> tuple[float, dict[int, int]]:
    """The likelihood of the likeliest way to put other elements in the place of the known ones, and that way."""
    roles = sorted(known, key=lambda number: (known[number], number))
    probabilities = table.exchange_probabilities
    likelihood, numbers = max(
        (prod(probabilities[before, after] for before, after in zip(roles, numbers, strict=True)), numbers)
        for numbers in assignments
    )
    return float(likelihood), dict(zip(roles, numbers, strict=True))
