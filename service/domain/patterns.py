"""Stoichiometry patterns, as stored (``AB2``: counts ascend) and as OPTIMADE has them (``A2B``: they descend)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from string import ascii_uppercase
from typing import Final

_COUNT: Final = re.compile(r"[A-Z](\d*)")


@dataclass(frozen=True)
class Pattern:
    """Counts of the elements, smallest first."""

    counts: tuple[int, ...]

    @classmethod
    def of(cls, stored: str) -> Pattern:
        """The pattern of a stored anonymous formula, see :attr:`rm_engine.spec.Formula.anonymous`."""
        return cls(tuple(int(count or 1) for count in _COUNT.findall(stored)))

    @property
    def descending(self) -> str:
        """The anonymous formula with the largest count first."""
        pairs = zip(ascii_uppercase, reversed(self.counts), strict=False)
        return "".join(f"{letter}{count if count > 1 else ''}" for letter, count in pairs)

    @property
    def ratios(self) -> list[float]:
        """Atomic fractions, smallest first."""
        total = sum(self.counts)
        return [count / total for count in self.counts]
