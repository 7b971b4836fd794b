"""Compositions: a formula, or a chemical system that stands for formulas of its elements: likely ones, or all those
whose counts lie within ranges.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Final

from rm_engine.errors import InputError
from rm_engine.spec.formula import Formula, check_length, parse_formula
from rm_engine.spec.limits import DEFAULT_MAX_ATOMS
from rm_engine.units import ATOMIC_NUMBERS

MAX_SYSTEM_ELEMENTS: Final = 4
"""Known crystals say which formulas are likely for so many elements; of more there are too few of them."""
MAX_FORMULAS: Final = 60
"""Formulas that are searched in a chemical system at most."""
_MOST_COMBINATIONS: Final = 2000
_TERM: Final = re.compile(r"(([A-Z][a-z]?)(?:\{(\d{1,2})-(\d{1,2})\}|(\d{0,2})))")
"""An element with the range of its counts, or its count."""
_RANGES: Final = "Give two to four elements, each with a count or a range of counts, e.g. Li{1-4}S{1-4}."
_SHAPE: Final = "Join element symbols by hyphens, each once and without numbers, e.g. Li-P-S."


@dataclass(frozen=True)
class ChemicalSystem:
    """Two to four elements, symbols in alphabetical order, and the formulas that have every one of them.

    Attributes:
        elements: symbols.
        formulas: those that are wanted, reduced; empty where any is that is likely.
    """

    elements: tuple[str, ...]
    formulas: tuple[Formula, ...] = ()

    def __str__(self) -> str:
        """The system as text, e.g. ``Li-S``."""
        return "-".join(self.elements)


def parse_composition(text: str, field: str = "composition") -> Formula | ChemicalSystem:
    """Parse a formula, see :func:`parse_formula`, or a chemical system such as ``Li-S`` or ``Li{1-4}S{1-4}``; a hyphen
    tells them apart.

    Args:
        text: a formula, or two to four element symbols, in any order, joined by hyphens or each with a count or a range
            of counts.
        field: name of the input field, for the error.

    Raises:
        InputError: neither of them, or beyond its bounds.
    """
    check_length(text, field)
    if "{" in text:
        return _parse_ranges(text, field)
    return _parse_system(text, field) if "-" in text else parse_formula(text, field)


def _parse_system(text: str, field: str) -> ChemicalSystem:
    symbols = text.split("-")
    for symbol in symbols:
        if not symbol.isalpha():
            raise InputError("unparsable_system", field, text, f"{symbol[:20]!r} is no symbol of an element", _SHAPE)
    return ChemicalSystem(_check_elements(symbols, text, field))


def _parse_ranges(text: str, field: str) -> ChemicalSystem:
    """A system of which all formulas are wanted whose counts lie within ranges, up to the usual size of cells."""
    terms = _TERM.findall(text)
    if "".join(term for term, *_ in terms) != text or len(terms) < 2:
        raise InputError("unparsable_system", field, text, "these are no elements with ranges of counts", _RANGES)
    elements = _check_elements([symbol for _, symbol, *_ in terms], text, field)
    ranges: dict[str, range] = {}
    for _, symbol, low, high, count in terms:
        ranges[symbol] = range(int(low or count or 1), int(high or count or 1) + 1)
        if not ranges[symbol] or not 1 <= ranges[symbol][0] <= ranges[symbol][-1] <= DEFAULT_MAX_ATOMS:
            reason = f"the counts of {symbol} do not rise from 1 or more to {DEFAULT_MAX_ATOMS} at most"
            raise InputError("out_of_range", field, text, reason, _RANGES)
    n_combinations = math.prod(map(len, ranges.values()))
    formulas = _list_formulas(elements, ranges) if n_combinations <= _MOST_COMBINATIONS else ()
    if not 1 <= len(formulas) <= MAX_FORMULAS:
        many = len(formulas) or ("too many" if n_combinations > _MOST_COMBINATIONS else "no")
        reason = f"these are {many} formulas of at most {DEFAULT_MAX_ATOMS} atoms, {MAX_FORMULAS} can be searched"
        raise InputError("too_many_formulas", field, text, reason, "Narrow the ranges.")
    return ChemicalSystem(elements, formulas)


def _list_formulas(elements: Sequence[str], ranges: Mapping[str, range]) -> tuple[Formula, ...]:
    """The different formulas, reduced, whose counts lie within ranges and which fit into a cell of the usual size."""
    found: dict[Formula, None] = {}
    for counts in product(*(ranges[symbol] for symbol in elements)):
        if sum(counts) <= DEFAULT_MAX_ATOMS:
            divisor = math.gcd(*counts)
            found[Formula(tuple((s, n // divisor) for s, n in zip(elements, counts, strict=True)))] = None
    return tuple(found)


def _check_elements(symbols: Sequence[str], text: str, field: str) -> tuple[str, ...]:
    """Different elements, few enough, in alphabetical order."""
    for symbol in symbols:
        if symbol not in ATOMIC_NUMBERS:
            raise InputError("unknown_element", field, text, f"{symbol[:20]!r} is not an element", _SHAPE)
    elements = tuple(sorted(set(symbols)))
    if len(elements) < len(symbols):
        raise InputError("unparsable_system", field, text, "an element is there twice", _SHAPE)
    if len(elements) > MAX_SYSTEM_ELEMENTS:
        raise InputError(
            "too_many_elements",
            field,
            text,
            f"{len(elements)} elements, a chemical system may have {MAX_SYSTEM_ELEMENTS}",
            "Leave some out, or ask for single formulas, which may have more.",
        )
    return elements
