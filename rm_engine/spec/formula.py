"""Chemical formulas by a linear-time grammar with limits.

``ase.Atoms("Li99999999")`` and friends take a minute or all the memory, so text from outside goes through here only.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from functools import reduce
from math import gcd
from string import ascii_uppercase
from typing import Final

from rm_engine.errors import InputError
from rm_engine.spec.limits import MAX_ATOMS, MAX_ELEMENTS, MAX_FORMULA_LENGTH
from rm_engine.units import ATOMIC_NUMBERS

_TOKEN: Final = re.compile(r"([A-Z][a-z]?)([1-9][0-9]{0,3})?|(\()|(\))([1-9][0-9]{0,3})?")
_MAX_DEPTH: Final = 4


@dataclass(frozen=True)
class Formula:
    """A composition as written: element symbols with their counts, in order of first appearance."""

    counts: tuple[tuple[str, int], ...]

    @property
    def n_atoms(self) -> int:
        """Number of atoms in one formula unit."""
        return sum(count for _, count in self.counts)

    @property
    def elements(self) -> tuple[str, ...]:
        """Element symbols, in order of first appearance."""
        return tuple(symbol for symbol, _ in self.counts)

    @property
    def chemsys(self) -> str:
        """The chemical system: symbols in alphabetical order joined by hyphens, e.g. ``Li-S``."""
        return "-".join(sorted(self.elements))

    @property
    def reduced(self) -> str:
        """The formula divided by its greatest common divisor, symbols in alphabetical order, e.g. ``Li1S2`` as
        ``LiS2``.
        """
        divisor = reduce(gcd, (count for _, count in self.counts))
        return "".join(f"{s}{c // divisor if c > divisor else ''}" for s, c in sorted(self.counts))

    @property
    def anonymous(self) -> str:
        """The stoichiometry pattern: reduced counts in ascending order on the letters A, B, ..., e.g. ``ABC3``.

        Formulas of up to 26 elements have one; :func:`parse_formula` lets through no more than eight.
        """
        divisor = reduce(gcd, (count for _, count in self.counts))
        counts = sorted(count // divisor for _, count in self.counts)
        return "".join(
            f"{letter}{count if count > 1 else ''}" for letter, count in zip(ascii_uppercase, counts, strict=False)
        )

    def __str__(self) -> str:
        """The formula as text, e.g. ``Li4S8``."""
        return "".join(f"{symbol}{count if count > 1 else ''}" for symbol, count in self.counts)

    def __mul__(self, units: int) -> Formula:
        """The formula of ``units`` formula units."""
        return Formula(tuple((symbol, count * units) for symbol, count in self.counts))

    def __add__(self, other: Formula) -> Formula:
        """The formula of both together."""
        return Formula(tuple((Counter(dict(self.counts)) + Counter(dict(other.counts))).items()))

    def atomic_numbers(self) -> list[int]:
        """Atomic numbers of one formula unit, length ``n_atoms``, atoms of an element side by side."""
        return [ATOMIC_NUMBERS[symbol] for symbol, count in self.counts for _ in range(count)]


def parse_formula(text: str, field: str = "composition") -> Formula:
    """Parse a formula such as ``LiS2``, ``Li4S8`` or ``Si2(CN2)4``.

    Args:
        text: element symbols with optional counts, and parentheses.
        field: name of the input field, for the error.

    Raises:
        InputError: empty, unparsable, an unknown element, more than 8 elements or 200 atoms.
    """
    check_length(text, field)
    counts = _count_elements(text, field)
    if len(counts) > MAX_ELEMENTS:
        raise InputError(
            "too_many_elements",
            field,
            text,
            f"{len(counts)} elements, at most {MAX_ELEMENTS}",
            "Use fewer elements.",
        )
    formula = Formula(tuple(counts.items()))
    check_size(formula, text, field)
    return formula


def check_length(text: str, field: str) -> None:
    """Raise :class:`InputError` where a text is empty, or too long to be looked at."""
    if not text:
        raise InputError("empty_formula", field, text, "the formula is empty", "Give a formula such as LiS2.")
    if len(text) > MAX_FORMULA_LENGTH:
        raise InputError(
            "formula_too_long",
            field,
            text,
            f"the formula is longer than {MAX_FORMULA_LENGTH} characters",
            "Shorten it.",
        )


def check_size(formula: Formula, value: object, field: str) -> None:
    """Raise :class:`InputError` where a cell of this formula would hold more than 200 atoms."""
    if formula.n_atoms > MAX_ATOMS:
        raise InputError(
            "too_many_atoms",
            field,
            value,
            f"{formula.n_atoms} atoms in a cell, at most {MAX_ATOMS}",
            "Ask for fewer formula units or a smaller formula.",
        )


def _count_elements(text: str, field: str) -> Counter[str]:
    """Counts of each symbol; a stack of groups, one entry per open parenthesis."""
    stack: list[Counter[str]] = [Counter()]
    position = 0
    while position < len(text):
        token = _TOKEN.match(text, position)
        if token is None:
            raise _unparsable(text, field, f"cannot read character {position + 1}, {text[position]!r}")
        symbol, count, opening, _, repeat = token.groups()
        if symbol:
            if symbol not in ATOMIC_NUMBERS:
                raise InputError(
                    "unknown_element",
                    field,
                    text,
                    f"{symbol!r} is not an element",
                    "Use element symbols such as Li or S.",
                )
            stack[-1][symbol] += int(count or 1)
        elif opening:
            stack.append(Counter())
            if len(stack) > _MAX_DEPTH + 1:
                raise _unparsable(text, field, f"parentheses deeper than {_MAX_DEPTH}")
        else:
            if len(stack) == 1 or not stack[-1]:
                raise _unparsable(text, field, "parentheses without a partner or without content")
            _close_group(stack, int(repeat or 1))
        position = token.end()
    if len(stack) > 1:
        raise _unparsable(text, field, "a parenthesis is not closed")
    return stack[0]


def _close_group(stack: list[Counter[str]], repeat: int) -> None:
    """Add the innermost group, ``repeat`` times, to the one around it."""
    for name, number in stack.pop().items():
        stack[-1][name] += number * repeat


def _unparsable(text: str, field: str, reason: str) -> InputError:
    return InputError(
        "unparsable_formula", field, text, reason, "Write element symbols and whole numbers, e.g. LiS2 or Si2(CN2)4."
    )
