"""Roles: which sites of a prototype belong to one element, and which element may play them."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain, groupby, permutations, product
from typing import Final, NamedTuple

from rm_engine.prototypes.orbits import Orbit
from rm_engine.units import SYMBOLS

_MAX_ASSIGNMENTS: Final = 120
"""Ways to give elements to roles of equal size that are tried; five such elements have as many."""


class Role(NamedTuple):
    """The sites of one element: its atoms in the primitive cell and the Wyckoff letters they are on."""

    n_atoms: int
    letters: str


def find_roles(orbits: Sequence[Orbit]) -> tuple[tuple[Role, ...], tuple[int, ...]]:
    """The roles of a crystal's elements, smallest first, and the atomic numbers that play them.

    Roles that are alike in size and letters are told apart by electronegativity, the lower first.
    """
    letters: defaultdict[int, list[str]] = defaultdict(list)
    sizes: Counter[int] = Counter()
    for orbit in orbits:
        letters[orbit.number].append(orbit.letter)
        sizes[orbit.number] += orbit.n_atoms
    found = {number: Role(sizes[number], "".join(sorted(letters[number]))) for number in letters}
    order = sorted(found, key=lambda number: (*found[number], _ELECTRONEGATIVITY[number], number))
    return tuple(found[number] for number in order), tuple(order)


def rank_setting(orbits: Sequence[Orbit]) -> tuple[tuple[Role, ...], tuple[float, ...]]:
    """Sorts the ways to name the orbits of one crystal: those of the first letters come first, and of these the one
    that gives the first letters to the elements of low electronegativity.
    """
    roles, numbers = find_roles(orbits)
    return roles, tuple(_ELECTRONEGATIVITY[number] for number in numbers)


def label_prototype(space_group: int, roles: Sequence[Role]) -> str:
    """Space group and letters, e.g. ``221 a b c``."""
    return " ".join([str(space_group), *(role.letters for role in roles)])


def assign_elements(counts: Mapping[int, int]) -> Iterator[tuple[int, ...]]:
    """The ways to give elements to the roles of a pattern: those of equal count may change places.

    Args:
        counts: atoms of each element, by atomic number.
    """
    by_count = sorted(counts, key=lambda number: (counts[number], number))
    groups = [list(group) for _, group in groupby(by_count, key=counts.__getitem__)]
    for _, parts in zip(range(_MAX_ASSIGNMENTS), product(*(permutations(group) for group in groups)), strict=False):
        yield tuple(number for part in parts for number in part)


# Pauling electronegativities by atomic number (CRC Handbook); 0 where there is none.
_ELECTRONEGATIVITY = dict(
    enumerate(
        chain(
            (0, 2.20, 0, 0.98, 1.57, 2.04, 2.55, 3.04, 3.44, 3.98, 0, 0.93, 1.31, 1.61, 1.90, 2.19, 2.58, 3.16, 0),
            (0.82, 1.00, 1.36, 1.54, 1.63, 1.66, 1.55, 1.83, 1.88, 1.91, 1.90, 1.65, 1.81, 2.01, 2.18, 2.55, 2.96, 3.0),
            (0.82, 0.95, 1.22, 1.33, 1.6, 2.16, 1.9, 2.2, 2.28, 2.20, 1.93, 1.69, 1.78, 1.96, 2.05, 2.1, 2.66, 2.6),
            (0.79, 0.89, 1.10, 1.12, 1.13, 1.14, 1.13, 1.17, 1.2, 1.2, 1.1, 1.22, 1.23, 1.24, 1.25, 1.1, 1.27),
            (1.3, 1.5, 2.36, 1.9, 2.2, 2.20, 2.28, 2.54, 2.00, 1.62, 2.33, 2.02, 2.0, 2.2, 0),
            (0.7, 0.9, 1.1, 1.3, 1.5, 1.38, 1.36, 1.28, 1.3, 1.3, 1.3, 1.3, 1.3, 1.3, 1.3, 1.3, 1.3),
            [0.0] * len(SYMBOLS),
        )
    )
)
