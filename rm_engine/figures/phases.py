"""What the pictures of a convex hull show, worked out before anything is drawn."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from rm_engine.analysis import energies_above_hull, excess_energies
from rm_engine.spec import Formula
from rm_engine.spec.card import EnergyKind

Kind = Literal["element", "known", "new", "duplicate"]


@dataclass(frozen=True)
class HullPoint:
    """A structure on the picture.

    Attributes:
        composition: number of atoms of each element.
        energy_per_atom: of one kind for all points of a picture.
        kind: ``known`` where it matches a known structure, ``duplicate`` where it repeats a lower one, else ``new``;
            ``element`` is kept for the end members.
    """

    composition: Mapping[str, int]
    energy_per_atom: float
    kind: Kind = "new"


@dataclass(frozen=True, eq=False)
class Phases:
    """The structures of one chemical system and its elements.

    Attributes:
        elements: symbols, in alphabetical order.
        fractions: atomic fractions (n_points, n_elements).
        excess: excess energies per atom (n_points).
        above: distances to the hull per atom (n_points).
        formulas: reduced formulas (n_points).
        kinds: what the points are (n_points).
        energy_kind: of all energies; pseudo energies have no unit, formation energies are in eV.
    """

    elements: tuple[str, ...]
    fractions: NDArray[np.float64]
    excess: NDArray[np.float64]
    above: NDArray[np.float64]
    formulas: tuple[str, ...]
    kinds: NDArray[np.str_]
    energy_kind: EnergyKind

    @property
    def energy_label(self) -> str:
        """What stands at an axis."""
        return "pseudo energy per atom" if self.energy_kind == "pseudo" else "formation energy (eV/atom)"

    @cached_property
    def lowest(self) -> dict[str, int]:
        """For every formula the index of its lowest point, lowest above the hull first."""
        lowest: dict[str, int] = {}
        for index in np.argsort(self.above, kind="stable").tolist():
            lowest.setdefault(self.formulas[index], index)
        return lowest

    @property
    def triangle(self) -> NDArray[np.float64]:
        """Where three elements stand in a triangle of side 1, whose base is the x axis (n_points, 2)."""
        corners = np.array([[0.0, 0.0], [1.0, 0.0], [0.5, np.sqrt(0.75)]])
        return np.asarray(self.fractions @ corners)

    @cached_property
    def on_hull(self) -> list[int]:
        """The index of one point for every composition on the hull."""
        return [index for index in self.lowest.values() if self.above[index] == 0]


def find_phases(
    points: Sequence[HullPoint], reference_energies: Mapping[str, float], energy_kind: EnergyKind
) -> Phases:
    """Work out what to draw.

    Raises:
        InputError: the energy of an element is not known, or an energy is not finite.
    """
    elements = sorted({symbol for point in points for symbol in point.composition})
    ends = [
        HullPoint({symbol: 1}, reference_energies[symbol], "element")
        for symbol in elements
        if symbol in reference_energies
    ]
    every = [*points, *ends]
    compositions = [point.composition for point in every]
    energies = [point.energy_per_atom for point in every]
    counts = np.array(
        [[composition.get(symbol, 0) for symbol in elements] for composition in compositions], dtype=float
    )
    return Phases(
        elements=tuple(elements),
        fractions=counts / counts.sum(axis=1, keepdims=True),
        excess=np.array(excess_energies(compositions, energies, reference_energies)),
        above=np.array(energies_above_hull(compositions, energies, reference_energies)),
        formulas=tuple(Formula(tuple(composition.items())).reduced for composition in compositions),
        kinds=np.array([point.kind for point in every]),
        energy_kind=energy_kind,
    )


def write_formula(formula: str) -> str:
    """A formula with its numbers as subscripts, for matplotlib."""
    return re.sub(r"(\d+)", r"$_{\1}$", formula)
