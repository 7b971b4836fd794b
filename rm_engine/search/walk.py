"""Monte Carlo over minima: a relaxed structure is changed, relaxes again, and Metropolis' rule says which one goes on.

Of the surface only the minima are seen (basin hopping, DOI 10.1021/jp970984n); what changes a structure is a move.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from ase import Atoms

_TEMPERATURE: Final = 0.003
"""Pseudo energy per atom at which Metropolis' rule accepts what is higher."""


@dataclass(frozen=True)
class Relaxed:
    """Where a relaxation has ended.

    Attributes:
        atoms: the structure.
        energy: its pseudo energy.
        converged: whether it reached ``fmax``.
        n_steps: steps made, those before all moves included.
        penalty: for properties that are not as wanted, pseudo energy.
    """

    atoms: Atoms
    energy: float
    converged: bool
    n_steps: int
    penalty: float = 0.0

    def enthalpy(self, pressure: float) -> float:
        """E + pV at a pressure (pseudo units per Å³), which only crystals bear, and the penalty."""
        return self.energy + self.penalty + (pressure * self.atoms.get_volume() if pressure else 0.0)


RelaxAgain = Callable[[Sequence[Atoms]], Sequence[Relaxed | None]]
"""Relaxes structures; None where one is set aside."""

Move = Callable[[Sequence[Relaxed], int, np.random.Generator], Atoms | None]
"""Gives a changed copy of one of some relaxed structures; None where it has nothing to change."""


def walk(
    relaxed: Sequence[Relaxed],
    moves: Sequence[Move],
    generators: Sequence[np.random.Generator],
    relax: RelaxAgain,
    pressure: float = 0.0,
) -> list[Relaxed]:
    """The lowest structure that each comes to.

    In each round a structure is changed, relaxes, and the next round begins from what it became, or, as Metropolis'
    rule decides, from what it was. All structures go through a round together; what becomes of one depends on others
    only if the moves look at them.

    Args:
        relaxed: relaxed structures.
        moves: what changes them, one after the other.
        generators: source of randomness of each structure.
        relax: relaxes what was changed.
        pressure: under which it does, pseudo units per Å³; what is low is then told by the enthalpy.
    """
    present, lowest = list(relaxed), list(relaxed)
    for move in moves:
        changed = [move(present, row, rng) for row, rng in enumerate(generators)]
        rows = [row for row, atoms in enumerate(changed) if atoms is not None]
        ends = relax([atoms for atoms in changed if atoms is not None]) if rows else []
        for row, end in zip(rows, ends, strict=True):
            before = present[row]
            after = before if end is None else replace(end, n_steps=before.n_steps + end.n_steps)
            rise = after.enthalpy(pressure) - before.enthalpy(pressure)
            accepted = _accepts(rise / len(before.atoms), generators[row])
            present[row] = after if accepted else replace(before, n_steps=after.n_steps)
            low = min(lowest[row], present[row], key=lambda one: one.enthalpy(pressure))
            lowest[row] = replace(low, n_steps=after.n_steps)
    return lowest


def _accepts(rise: float, rng: np.random.Generator) -> bool:
    return rng.random() < math.exp(-max(0.0, rise) / _TEMPERATURE)
