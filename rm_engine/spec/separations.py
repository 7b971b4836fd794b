"""Least distances that a run asks for, by pair of elements."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from rm_engine.errors import InputError
from rm_engine.units import ATOMIC_NUMBERS

_FIELD = "separations"


def parse_separations(separations: Mapping[str, float], elements: Collection[str]) -> dict[tuple[int, int], float]:
    """Least distances, Å, by two atomic numbers, in either order.

    Args:
        separations: by two symbols with a hyphen between, e.g. ``{"Li-S": 2.0, "S-S": 3.0}``.
        elements: symbols of the elements that the run has.

    Raises:
        InputError: what is no pair of these elements.
    """
    found = {}
    for pair, distance in separations.items():
        first, _, second = pair.partition("-")
        for symbol in (first, second):
            if symbol not in ATOMIC_NUMBERS:
                reason = f"{symbol[:20]!r} is not an element"
                raise InputError("unknown_element", _FIELD, pair, reason, "Write pairs such as Li-S.")
            if symbol not in elements:
                reason = f"there is no {symbol} among the atoms"
                raise InputError("conflicting_fields", _FIELD, pair, reason, "Name pairs of elements that are there.")
        numbers = ATOMIC_NUMBERS[first], ATOMIC_NUMBERS[second]
        found[numbers] = found[numbers[::-1]] = distance
    return found
