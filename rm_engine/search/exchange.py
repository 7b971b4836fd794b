"""Which element is where, by Monte Carlo: two atoms of a relaxed structure change places, and it relaxes again.

A relaxation moves atoms, but never lets two of them pass one another; with every further element there are more ways to
put them on the same sites, of which a start has one.
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
        n_steps: relaxation steps made, those before all exchanges included.
    """

    atoms: Atoms
    energy: float
    converged: bool
    n_steps: int

    def enthalpy(self, pressure: float) -> float:
        """E + pV at a pressure (pseudo units per Å³); only crystals bear one."""
        return self.energy + pressure * self.atoms.get_volume() if pressure else self.energy


RelaxAgain = Callable[[Sequence[Atoms]], Sequence[Relaxed | None]]
"""Relaxes structures; None where one is set aside."""


def exchange_atoms(
    relaxed: Sequence[Relaxed],
    n_rounds: int,
    generators: Sequence[np.random.Generator],
    relax: RelaxAgain,
    pressure: float = 0.0,
) -> list[Relaxed]:
    """The lowest structure that each comes to by exchanging atoms.

    In each round two atoms of different elements change places, the structure relaxes, and the next round begins from
    what it became, or, as Metropolis' rule decides, from what it was. All structures go through a round together; what
    becomes of one does not depend on the others.

    Args:
        relaxed: relaxed structures; those of one element are left as they are.
        n_rounds: exchanges of each.
        generators: source of randomness of each.
        relax: relaxes what was exchanged.
        pressure: under which it does, pseudo units per Å³; what is low is then told by the enthalpy.
    """
    present, lowest = list(relaxed), list(relaxed)
    mixed = [row for row, one in enumerate(relaxed) if len(set(one.atoms.numbers)) > 1]
    for _ in range(n_rounds):
        ends = relax([_exchange(present[row].atoms, generators[row]) for row in mixed])
        for row, end in zip(mixed, ends, strict=True):
            before = present[row]
            after = before if end is None else replace(end, n_steps=before.n_steps + end.n_steps)
            rise = after.enthalpy(pressure) - before.enthalpy(pressure)
            accepted = _accepts(rise / len(before.atoms), generators[row])
            present[row] = after if accepted else replace(before, n_steps=after.n_steps)
            low = min(lowest[row], present[row], key=lambda one: one.enthalpy(pressure))
            lowest[row] = replace(low, n_steps=after.n_steps)
    return lowest


def _exchange(atoms: Atoms, rng: np.random.Generator) -> Atoms:
    """The same structure after two atoms of different elements, drawn at random, have changed places."""
    exchanged: Atoms = atoms.copy()
    first, second = np.nonzero(np.triu(atoms.numbers[:, None] != atoms.numbers))
    pair = rng.integers(len(first))
    rows = [first[pair], second[pair]]
    exchanged.numbers[rows] = atoms.numbers[rows[::-1]]
    return exchanged


def _accepts(rise: float, rng: np.random.Generator) -> bool:
    return rng.random() < math.exp(-max(0.0, rise) / _TEMPERATURE)
