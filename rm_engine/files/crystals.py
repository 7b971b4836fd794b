"""Crystals as the literature gives them: a space group, a cell and the occupied Wyckoff positions."""

from __future__ import annotations

import json
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ase import Atoms


@dataclass(frozen=True)
class Site:
    """A Wyckoff position with an element on it.

    Attributes:
        element: symbol of the element.
        wyckoff: multiplicity in the conventional cell and letter, e.g. ``8c``.
        position: fractional coordinates of one of its points in the conventional cell.
    """

    element: str
    wyckoff: str
    position: tuple[float, ...]

    @property
    def multiplicity(self) -> int:
        """How many points the position has in the conventional cell."""
        return int(self.wyckoff[:-1])


@dataclass(frozen=True, kw_only=True)
class KnownCrystal:
    """A crystal of the literature.

    Attributes:
        name: common name, of the mineral where there is one.
        formula: chemical formula as commonly written.
        prototype: structure type with its Strukturbericht symbol where it has one.
        space_group: number of the space group.
        setting: 1 or 2 as in the International Tables: origin choice 2 where there are two; rhombohedral groups are on
            hexagonal axes (1).
        cell: a, b, c in Å and alpha, beta, gamma in degrees of the conventional cell.
        sites: the occupied Wyckoff positions.
        source: where the numbers are from.
    """

    name: str
    formula: str
    prototype: str
    space_group: int
    setting: int
    cell: tuple[float, ...]
    sites: tuple[Site, ...]
    source: str

    def to_atoms(self) -> Atoms:
        """The primitive cell."""
        from ase import Atoms
        from ase.spacegroup import crystal

        atoms = crystal(
            [site.element for site in self.sites],
            [site.position for site in self.sites],
            spacegroup=self.space_group,
            setting=self.setting,
            cellpar=self.cell,
            primitive_cell=True,
        )
        return Atoms(atoms.numbers, positions=atoms.positions, cell=atoms.cell, pbc=True)


def read_crystals(path: Path) -> list[KnownCrystal]:
    """The crystals of a JSON file: a list of objects with the fields of :class:`KnownCrystal`.

    A site is a list of element, Wyckoff position and coordinates: numbers or, where rounding would move the atom
    off its symmetry element, fractions such as ``"1/3"``. ``setting`` may be left out when it is 1.
    """
    return [_read_crystal(entry) for entry in json.loads(path.read_text(encoding="utf-8"))]


def _read_crystal(entry: dict[str, Any]) -> KnownCrystal:
    sites = tuple(
        Site(element, wyckoff, tuple(float(Fraction(value)) for value in position))
        for element, wyckoff, position in entry["sites"]
    )
    return KnownCrystal(**{"setting": 1, **entry, "cell": tuple(entry["cell"]), "sites": sites})
