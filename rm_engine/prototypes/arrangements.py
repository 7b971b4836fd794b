"""Arrangements: any way to put given atoms on the Wyckoff positions of a space group, drawn at random."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

import numpy as np

from rm_engine.prototypes.orbits import GENERAL, GENERAL_SITE, find_images
from rm_engine.prototypes.roles import Role
from rm_engine.prototypes.table import Assignment, Prototype, PrototypeTable

_TRIES: Final = 50
"""Times that atoms are distributed over the positions of a group before there is said to be no way."""


class _Position(NamedTuple):
    """A Wyckoff position: its letter, its atoms in the primitive cell and whether it has no free coordinate."""

    letter: str
    n_atoms: int
    is_rigid: bool


class Arrangements:
    """Arrangements on the positions that crystals are known to use, and on the general one.

    Args:
        table: whose positions they are.
    """

    def __init__(self, table: PrototypeTable) -> None:
        self._table = table
        self._positions: dict[int, list[_Position]] = {}

    def draw(self, space_group: int, counts: Mapping[int, int], rng: np.random.Generator) -> Assignment | None:
        """A prototype for the contents of a primitive cell, or None where they seem not to fit into the group.

        Args:
            space_group: number in the International Tables.
            counts: atoms of each element, by atomic number.
            rng: source of randomness.
        """
        positions = self._positions_of(space_group)
        if any(count < min(position.n_atoms for position in positions) for count in counts.values()):
            return None
        for _ in range(_TRIES):
            letters = _distribute(positions, list(counts.values()), rng)
            if letters is not None:
                played = zip(map(Role, counts.values(), letters), counts, strict=True)
                roles, numbers = zip(*sorted(played), strict=True)
                elements = tuple({number: 1} for number in numbers)
                return Assignment(Prototype(space_group, roles, 0, elements), numbers, 0.0)
        return None

    def _positions_of(self, space_group: int) -> list[_Position]:
        if space_group not in self._positions:
            known = {letter: site for (group, letter), site in self._table.sites.items() if group == space_group}
            if not any(site.n_free == 3 for site in known.values()):
                known[GENERAL] = GENERAL_SITE
            self._positions[space_group] = [
                _Position(letter, len(find_images(space_group, site)[1]), site.n_free == 0)
                for letter, site in sorted(known.items())
            ]
        return self._positions[space_group]


def _distribute(positions: list[_Position], counts: list[int], rng: np.random.Generator) -> list[str] | None:
    """Letters for each element, its positions drawn one after another; None where some atoms are left over."""
    taken: set[str] = set()
    letters = []
    for count in counts:
        own, left = "", count
        while left:
            free = [one for one in positions if one.n_atoms <= left and one.letter not in taken]
            if not free:
                return None
            position = free[rng.integers(len(free))]
            own += position.letter
            left -= position.n_atoms
            if position.is_rigid:
                taken.add(position.letter)  # two atoms cannot be at one place
        letters.append("".join(sorted(own)))
    return letters
