"""What the predicates of a filter mean: for properties of ours, of OPTIMADE's, and of other databases."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from rm_engine.errors import InputError
from rm_engine.spec import parse_formula
from service.domain.filters import (
    SUBSTRING_OPERATORS,
    Compared,
    Condition,
    Every,
    Filter,
    Fixed,
    Items,
    Known,
    Not,
    Operator,
    Within,
)
from service.optimade.catalog import PROPERTIES, RELATED, UNSUPPORTED, is_foreign, unknown_property
from service.optimade.grammar import Predicate, Verb, not_implemented, parse_filter
from service.optimade.properties import DataType, Property
from service.optimade.standard import write_hill

_RFC_3339: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?([Zz]|[+-][0-9]{2}:[0-9]{2})"
)
_VALUES: Final = {
    DataType.STRING: str,
    DataType.TIMESTAMP: str,
    DataType.INTEGER: float,
    DataType.FLOAT: float,
    DataType.BOOLEAN: bool,
}
_IS_MOLECULE: Final = Compared("n_periodic", Condition(Operator.EQUAL, 0.0))


@dataclass
class FilterReader:
    """Reads a filter.

    Attributes:
        foreign: properties of other databases that it names, which are unknown here.
    """

    foreign: list[str] = field(default_factory=list)

    def read(self, text: str) -> Filter:
        """The filter that a text means.

        Raises:
            InputError: it is none, or names a property that there is not.
            HTTPException: 501, it asks for an optional part, or compares values of two types.
        """
        return parse_filter(text, self._resolve)

    def _resolve(self, predicate: Predicate) -> Filter:
        found = self._find(predicate.name)
        if predicate.verb is Verb.IS_KNOWN:
            known = _is_known(found)
            return known if predicate.conditions[0].value else Not(known)
        if found is None:
            return Fixed(None)
        return _MEANINGS[predicate.verb](predicate, found)

    def _find(self, name: str) -> Property | None:
        """The property of this name; None for one that is unknown of all structures."""
        if name in PROPERTIES or name in UNSUPPORTED:
            return PROPERTIES.get(name)
        whole, _, nested = name.partition(".")
        if is_foreign(whole):
            self.foreign.append(name)
            return None
        if nested and whole in PROPERTIES.keys() | UNSUPPORTED | RELATED:
            raise not_implemented("A filter on a nested property")
        raise unknown_property("filter", name)


def _is_known(found: Property | None) -> Filter:
    if found is None:
        return Fixed(False)
    if found.field == "hill":
        return Every((Known("n_periodic"), _IS_MOLECULE))
    return Fixed(True) if found.is_always_known or found.field is None else Known(found.field)


def _compare(predicate: Predicate, found: Property) -> Filter:
    condition = _check(predicate.name, found.type, predicate.conditions[0])
    if found.constant is not None:
        return Fixed(condition.is_met_by(found.constant))
    if found.field == "hill":
        return Within(_IS_MOLECULE, _compare_hill(condition))
    return Compared(found.field or "", condition)


def _compare_items(predicate: Predicate, found: Property) -> Filter:
    if found.type is not DataType.LIST or found.item_type is None:
        raise not_implemented(f"HAS for {predicate.name}")
    conditions = [_check(predicate.name, found.item_type, condition) for condition in predicate.conditions]
    items = Items(found.field or "", predicate.quantifier, tuple(conditions))
    return Fixed(items.are_met_by(found.constant)) if found.constant is not None else items


def _compare_length(predicate: Predicate, found: Property) -> Filter:
    if found.type is not DataType.LIST:
        raise not_implemented(f"LENGTH for {predicate.name}")
    condition = _check(predicate.name, DataType.INTEGER, predicate.conditions[0])
    length = len(found.constant) if found.constant is not None else found.length
    if isinstance(length, str):
        return Compared(length, condition)
    return Fixed(condition.is_met_by(float(length or 0)))


_MEANINGS: Final[dict[Verb, Callable[[Predicate, Property], Filter]]] = {
    Verb.COMPARES: _compare,
    Verb.HAS: _compare_items,
    Verb.HAS_LENGTH: _compare_length,
}


def _check(name: str, type_: DataType, condition: Condition) -> Condition:
    """The condition, with a value of this type: none is converted, but texts to times."""
    is_comparable = condition.operator not in SUBSTRING_OPERATORS or type_ is DataType.STRING
    if type_ is DataType.BOOLEAN:
        is_comparable = condition.operator in (Operator.EQUAL, Operator.UNEQUAL)
    if type(condition.value) is not _VALUES.get(type_) or not is_comparable:
        shown = f"{condition.operator} with a value of type {type(condition.value).__name__}"
        raise not_implemented(f"{shown} for {name}, which is a {type_},")
    if type_ is DataType.TIMESTAMP:
        return Condition(condition.operator, _read_time(str(condition.value)))
    return condition


def _read_time(text: str) -> datetime:
    """A time as RFC 3339 has them, in UTC.

    Raises:
        InputError: it is none.
    """
    try:
        if _RFC_3339.fullmatch(text):
            return datetime.fromisoformat(text.upper()).astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise InputError("invalid_filter", "filter", text, "this is no time of RFC 3339", "Write 2026-01-31T12:00:00Z.")


def _compare_hill(condition: Condition) -> Filter:
    """A molecule's formula by what is stored: its reduced formula and how many atoms it has."""
    if condition.operator not in (Operator.EQUAL, Operator.UNEQUAL):
        raise not_implemented(f"{condition.operator} for chemical_formula_hill")
    is_same = _has_hill(str(condition.value))
    return is_same if condition.operator is Operator.EQUAL else Not(is_same)


def _has_hill(text: str) -> Filter:
    try:
        formula = parse_formula(text)
    except InputError:
        return Fixed(False)
    if write_hill(formula) != text:
        return Fixed(False)
    return Every((
        Compared("reduced_formula", Condition(Operator.EQUAL, formula.reduced)),
        Compared("n_atoms", Condition(Operator.EQUAL, float(formula.n_atoms))),
    ))  # fmt: skip
