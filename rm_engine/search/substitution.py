"""Starts from known structures: other elements on their sites."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
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
    candidates = [
        (*found, key, atoms)
        for key, atoms in references
        if atoms.pbc.all() and (found := _exchange(counts, Counter(atoms.numbers.tolist()), table)) is not None
    ]
    candidates.sort(key=lambda candidate: (-candidate[0], candidate[2]))
    families: defaultdict[str, list[Substitution]] = defaultdict(list)
    for likelihood, exchange, key, atoms in candidates[:_MAX_COMPARED]:
        try:
            symmetry = find_symmetry(atoms)
        except ValueError:
            continue
        if len(symmetry.primitive) == formula.n_atoms:
            before = tuple(symmetry.primitive.numbers.tolist())
            symmetry.primitive.numbers = [exchange[number] for number in before]
            label = label_prototype(symmetry.space_group, find_roles(symmetry.orbits)[0])
            families[label].append(Substitution(key, symmetry.primitive, before, likelihood))
    return sorted(families.values(), key=lambda family: -sum(member.likelihood for member in family))


def _exchange(
    counts: Mapping[int, int], known: Mapping[int, int], table: PrototypeTable
) -> tuple[float, dict[int, int]] | None:
    """The likeliest way to put elements of these counts in the place of the known ones, and its likelihood."""
    roles = sorted(known, key=lambda number: (known[number], number))
    pattern = [known[number] for number in roles]
    if not _is_multiple(pattern, sorted(counts.values())):
        return None
    probabilities = table.exchange_probabilities
    likelihood, numbers = max(
        (prod(probabilities[before, after] for before, after in zip(roles, numbers, strict=True)), numbers)
        for numbers in assign_elements(counts)
    )
    return float(likelihood), dict(zip(roles, numbers, strict=True))


def _is_multiple(pattern: Sequence[int], other: Sequence[int]) -> bool:
    a, b = reduce(gcd, pattern), reduce(gcd, other)
    return [count // a for count in pattern] == [count // b for count in other]
