"""Conditions on structures, joined by and, or and not; what has no value fulfils none, and neither its negation.

The fields are columns of structures, and what follows from composition and boundary: see :data:`LIST_FIELDS` and
:data:`COMPOSITION_FIELDS`.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

Value = str | float | bool | datetime

LIST_FIELDS: Final = frozenset({"elements", "elements_ratios", "dimension_types"})
"""Symbols, atomic fractions, and for each cell vector 1 or 0."""

SYSTEM_FIELDS: Final = frozenset({"elements", "n_elements"})
"""What follows from the chemical system."""

COMPOSITION_FIELDS: Final = SYSTEM_FIELDS | {"reduced_formula", "anonymous_formula", "elements_ratios"}
"""What follows from the reduced formula. The anonymous one has its largest count first: ``A2B``."""


class Operator(StrEnum):
    """How two values compare; texts by code points."""

    EQUAL = "="
    UNEQUAL = "!="
    LESS = "<"
    AT_MOST = "<="
    GREATER = ">"
    AT_LEAST = ">="
    CONTAINS = "CONTAINS"
    STARTS = "STARTS"
    ENDS = "ENDS"


COMPARE: Final[dict[Operator, Callable[[Any, Any], bool]]] = {
    Operator.EQUAL: operator.eq,
    Operator.UNEQUAL: operator.ne,
    Operator.LESS: operator.lt,
    Operator.AT_MOST: operator.le,
    Operator.GREATER: operator.gt,
    Operator.AT_LEAST: operator.ge,
    Operator.CONTAINS: operator.contains,
    Operator.STARTS: str.startswith,
    Operator.ENDS: str.endswith,
}

SUBSTRING_OPERATORS: Final = frozenset({Operator.CONTAINS, Operator.STARTS, Operator.ENDS})


@dataclass(frozen=True)
class Condition:
    """What a value must be: ``operator`` holds between it and ``value``."""

    operator: Operator
    value: Value

    def is_met_by(self, value: Value) -> bool:
        """Whether it is."""
        return COMPARE[self.operator](value, self.value)


class Quantifier(StrEnum):
    """How the items of a list meet conditions."""

    ALL = "ALL"
    """Each condition is met by an item."""
    ANY = "ANY"
    """A condition is met by an item."""
    ONLY = "ONLY"
    """Each item meets a condition."""


@dataclass(frozen=True)
class Compared:
    """The field meets the condition."""

    field: str
    condition: Condition


@dataclass(frozen=True)
class Items:
    """The items of a field of :data:`LIST_FIELDS` meet the conditions."""

    field: str
    quantifier: Quantifier
    conditions: tuple[Condition, ...]

    def are_met_by(self, items: Collection[Value]) -> bool:
        """Whether these items do."""
        if self.quantifier is Quantifier.ONLY:
            return all(any(condition.is_met_by(item) for condition in self.conditions) for item in items)
        are_met = (any(condition.is_met_by(item) for item in items) for condition in self.conditions)
        return all(are_met) if self.quantifier is Quantifier.ALL else any(are_met)


@dataclass(frozen=True)
class Known:
    """The field has a value."""

    field: str


@dataclass(frozen=True)
class Fixed:
    """The same for every structure; None where what was asked for is known of none."""

    value: bool | None


@dataclass(frozen=True)
class Within:
    """``part`` of the structures that ``guard`` holds for; of others it is not known."""

    guard: Filter
    part: Filter


@dataclass(frozen=True)
class Not:
    """The part does not hold, and what it asks for is known."""

    part: Filter


@dataclass(frozen=True)
class Every:
    """All parts hold."""

    parts: tuple[Filter, ...]


@dataclass(frozen=True)
class Either:
    """At least one part holds."""

    parts: tuple[Filter, ...]


Filter = Compared | Items | Known | Fixed | Within | Not | Every | Either


ALL_STRUCTURES: Final = Every(())
"""No condition."""


def every(parts: Sequence[Filter]) -> Filter:
    """All of them, as one flat list; a single one as it is."""
    flat = [inner for part in parts for inner in (part.parts if isinstance(part, Every) else (part,))]
    return flat[0] if len(flat) == 1 else Every(tuple(flat))


def has_elements(symbols: Sequence[str]) -> Filter:
    """At least these elements."""
    return Items("elements", Quantifier.ALL, tuple(Condition(Operator.EQUAL, symbol) for symbol in symbols))


def fields_of(where: Filter) -> frozenset[str | None]:
    """The fields that it asks for; None stands for what is no field."""
    match where:
        case Every(parts) | Either(parts):
            return frozenset().union(*map(fields_of, parts))
        case Not(part):
            return fields_of(part)
        case Within(guard, part):
            return fields_of(guard) | fields_of(part) | {None}
        case Fixed():
            return frozenset({None})
    return frozenset({where.field})
