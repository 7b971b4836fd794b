"""Whether the charges of a formula can balance."""

from __future__ import annotations

from itertools import product
from typing import Final

from rm_engine.spec.formula import Formula

_STATES: Final = """
H 1 -1, Li 1, Be 2, B 3, C 4 -4, N -3 3 5, O -2, F -1, Na 1, Mg 2, Al 3, Si 4 -4, P -3 3 5, S -2 4 6, Cl -1, K 1, Ca 2,
Sc 3, Ti 4 3, V 5 4 3, Cr 3 6, Mn 2 3 4, Fe 3 2, Co 2 3, Ni 2, Cu 2 1, Zn 2, Ga 3, Ge 4 -4, As -3 3 5, Se -2 4 6,
Br -1, Rb 1, Sr 2, Y 3, Zr 4, Nb 5 4, Mo 6 4, Tc 7 4, Ru 4 3, Rh 3, Pd 2 4, Ag 1, Cd 2, In 3 1, Sn 4 2, Sb -3 3 5,
Te -2 4 6, I -1 5, Cs 1, Ba 2, La 3, Ce 3 4, Pr 3, Nd 3, Pm 3, Sm 3, Eu 3 2, Gd 3, Tb 3, Dy 3, Ho 3, Er 3, Tm 3,
Yb 3 2, Lu 3, Hf 4, Ta 5, W 6 4, Re 7 4, Os 4, Ir 4 3, Pt 4 2, Au 3 1, Hg 2 1, Tl 1 3, Pb 2 4, Bi 3, Ac 3, Th 4, Pa 5,
U 6 4, Np 5 4, Pu 4 3
"""
"""Common oxidation states; those of an element that is not here balance nothing."""

OXIDATION_STATES: Final[dict[str, tuple[int, ...]]] = {
    symbol: tuple(map(int, states)) for symbol, *states in map(str.split, _STATES.split(","))
}


def is_balanced(formula: Formula) -> bool:
    """Whether the charges add up to nothing when all atoms of an element have the same one of its common oxidation
    states.
    """
    states = [OXIDATION_STATES.get(symbol, ()) for symbol in formula.elements]
    counts = [count for _, count in formula.counts]
    return any(
        sum(charge * count for charge, count in zip(charges, counts, strict=True)) == 0 for charges in product(*states)
    )
