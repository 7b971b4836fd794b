"""The parts of a run: successive samples of one formula, whose cells differ in size."""

from __future__ import annotations

from dataclasses import dataclass
from heapq import heapify, heapreplace
from typing import TYPE_CHECKING, Final

from rm_engine.spec.formula import Formula
from rm_engine.spec.limits import DEFAULT_MAX_ATOMS

if TYPE_CHECKING:
    from collections.abc import Sequence

USUAL_FORMULA_UNITS: Final = (1, 2, 4, 1, 2, 3, 1, 2, 4, 6, 1, 2, 8)
"""Formula units in the cells of successive samples, about as often as in primitive cells of the Materials Project: of
the MP-20 training set 53 % hold one, 34 % two, 10 % four and 2 % three. Those that make the cell too large are left
out."""

_HALF: Final = 4
"""Samples of a formula after which half of its known crystals are found, for :func:`share_samples`. Where the size of
the cell is given, 36 % of them are found by the first sample and 91 % by 20, as n / (n + 1.8) has it (csp-val in
docs/science.md); here one sample in two or three has that size."""


@dataclass(frozen=True)
class Part:
    """Successive samples of one formula.

    Attributes:
        formula: one formula unit.
        start: the first sample.
        n: how many there are.
        units: numbers of formula units in a cell, which the samples take in turn.
    """

    formula: Formula
    start: int
    n: int
    units: tuple[int, ...]

    def formula_of(self, sample: int) -> Formula:
        """Contents of the cell of one sample."""
        return self.formula * self.units[(sample - self.start) % len(self.units)]

    def turn_of(self, sample: int) -> int:
        """How many samples before this one have the same contents."""
        cycles, place = divmod(sample - self.start, len(self.units))
        units = self.units[place]
        return cycles * self.units.count(units) + self.units[:place].count(units)

    @property
    def n_atoms(self) -> int:
        """Atoms of all samples together."""
        cycles, rest = divmod(self.n, len(self.units))
        return self.formula.n_atoms * (cycles * sum(self.units) + sum(self.units[:rest]))

    @property
    def sizes(self) -> list[int]:
        """Numbers of atoms in a cell, ascending."""
        return sorted({self.formula.n_atoms * units for units in self.units})


def usual_units(formula: Formula) -> tuple[int, ...]:
    """The usual numbers of formula units that keep the cell at or below 20 atoms; one where none does."""
    return tuple(k for k in USUAL_FORMULA_UNITS if k * formula.n_atoms <= DEFAULT_MAX_ATOMS) or (1,)


def share_samples(weights: Sequence[float], n: int) -> list[int]:
    """How many of n samples each of several formulas gets, so that the most known crystals can be expected.

    With k samples a formula's crystal is found in k / (k + 4) of the cases. Each sample goes where it adds the most to
    that, weighted; the shares then follow the square roots of the weights, and where there are few samples, only the
    likeliest formulas have any.

    Args:
        weights: how likely each formula has a crystal, up to a factor; positive.
        n: number of samples.
    """
    shares = [0] * len(weights)
    gains = [(-_gain(weight, 0), row) for row, weight in enumerate(weights)]
    heapify(gains)
    for _ in range(n):
        row = gains[0][1]
        shares[row] += 1
        heapreplace(gains, (-_gain(weights[row], shares[row]), row))
    return shares


def _gain(weight: float, n_before: int) -> float:
    """What one sample more adds, up to a factor."""
    return weight / ((n_before + _HALF) * (n_before + 1 + _HALF))
