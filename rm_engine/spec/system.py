"""Compositions: a formula, or a chemical system that stands for the formulas of its elements."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from rm_engine.errors import InputError
from rm_engine.spec.formula import Formula, check_length, parse_formula
from rm_engine.units import ATOMIC_NUMBERS

MAX_SYSTEM_ELEMENTS: Final = 4
"""Known crystals say which formulas are likely for so many elements; of more there are too few of them."""
_SHAPE: Final = "Join element symbols by hyphens, each once and without numbers, e.g. Li-P-S."


@dataclass(frozen=True)
class ChemicalSystem:
    """Two to four elements, symbols in alphabetical order: all formulas that have every one of them."""

    elements: tuple[str, ...]

    def __str__(self) -> str:
        """The system as text, e.g. ``Li-S``."""
        return "-".join(self.elements)


def parse_composition(text: str, field: str = "composition") -> Formula | ChemicalSystem:
    """Parse a formula, see :func:`parse_formula`, or a chemical system such as ``Li-S``; a hyphen tells them apart.

    Args:
        text: a formula, or two to four element symbols joined by hyphens, in any order.
        field: name of the input field, for the error.

    Raises:
        InputError: neither of them, or beyond its bounds.
    """
    check_length(text, field)
    return _parse_system(text, field) if "-" in text else parse_formula(text, field)


def _parse_system(text: str, field: str) -> ChemicalSystem:
    symbols = text.split("-")
    for symbol in symbols:
        if not symbol.isalpha():
            raise InputError("unparsable_system", field, text, f"{symbol[:20]!r} is no symbol of an element", _SHAPE)
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
    return ChemicalSystem(elements)
