"""Conditions on structures as SQL, and which few compositions they leave."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from sqlalchemy import (
    Boolean,
    Column,
    ColumnElement,
    Connection,
    Double,
    FromClause,
    Select,
    and_,
    case,
    collate,
    func,
    literal,
    not_,
    or_,
    select,
    true,
)

from service.domain.filters import (
    COMPARE,
    COMPOSITION_FIELDS,
    SUBSTRING_OPERATORS,
    SYSTEM_FIELDS,
    Compared,
    Condition,
    Either,
    Every,
    Filter,
    Fixed,
    Items,
    Known,
    Not,
    Operator,
    Quantifier,
    Within,
    every,
    fields_of,
)
from service.domain.patterns import Pattern
from service.store.tables import chemical_system_elements, compositions, structures

_MAX_LISTED: Final = 5000
"""Most values that are given by name; of more, the database looks them up itself."""

_ORDERED: Final = frozenset({Operator.LESS, Operator.AT_MOST, Operator.GREATER, Operator.AT_LEAST})


@dataclass(frozen=True)
class Narrowing:
    """Of which chemical systems or compositions structures are: by name, or as the query that finds them.

    PostgreSQL knows of a name how common it is, but not of what a query finds. SQLite knows of neither.
    """

    column: Column[str]
    values: list[str] | Select[tuple[str]]


def narrow(connection: Connection, where: Filter) -> tuple[Narrowing | None, Filter]:
    """The compositions that a filter leaves, and the rest of it, which each of their structures must pass too."""
    of_compositions: list[Filter] = []
    rest: list[Filter] = []
    for part in where.parts if isinstance(where, Every) else (where,):
        (of_compositions if fields_of(part) <= COMPOSITION_FIELDS else rest).append(part)
    if not of_compositions or connection.dialect.name == "sqlite":
        return None, where
    return _find(connection, every(of_compositions)), every(rest)


def _find(connection: Connection, where: Filter) -> Narrowing:
    match where:
        case Compared("reduced_formula", Condition(Operator.EQUAL, str(formula))):
            return Narrowing(structures.c.reduced_formula, [formula])
    is_of_systems = fields_of(where) <= SYSTEM_FIELDS
    table = chemical_system_elements if is_of_systems else compositions
    name = "chemsys" if is_of_systems else "reduced_formula"
    query = select(table.c[name]).where(FilterTranslator(connection).translate(where, table)).distinct()
    found = list(connection.scalars(query.limit(_MAX_LISTED + 1)))
    return Narrowing(structures.c[name], query if len(found) > _MAX_LISTED else found)


@dataclass(frozen=True)
class FilterTranslator:
    """Writes filters as SQL on rows of structures, compositions, or chemical systems as far as these have the fields.

    SQL's logic is the filter's: what has no value is neither true nor false.
    """

    connection: Connection

    def translate(self, where: Filter, rows: FromClause = structures) -> ColumnElement[bool]:
        """The condition on a row."""
        match where:
            case Every(parts):
                return and_(true(), *(self.translate(part, rows) for part in parts))
            case Either(parts):
                return or_(*(self.translate(part, rows) for part in parts))
            case Not(part):
                return not_(self.translate(part, rows))
            case Within(guard, part):
                return case((self.translate(guard, rows), self.translate(part, rows)))
            case Fixed(value):
                return literal(value, Boolean())
        return self._translate_leaf(where, rows)

    def _translate_leaf(self, where: Compared | Items | Known, rows: FromClause) -> ColumnElement[bool]:
        match where:
            case Known(field):
                return true() if field in COMPOSITION_FIELDS else _column(field, rows).is_not(None)
            case Items("elements"):
                return self._of_elements(where, rows)
            case Items("elements_ratios"):
                return self._of_patterns(lambda pattern: where.are_met_by(pattern.ratios), rows)
            case Items():  # the order of the axes does not matter
                kinds = ([1.0] * n + [0.0] * (3 - n) for n in range(4))
                wanted = [n for n, types in enumerate(kinds) if where.are_met_by(types)]
                n_periodic = _column("n_periodic", rows)
                return case((n_periodic.is_not(None), n_periodic.in_(wanted)))
            case Compared("anonymous_formula", condition):
                return self._of_patterns(lambda pattern: condition.is_met_by(pattern.descending), rows)
        return self._compare(_column(where.field, rows), where.condition)

    def _of_elements(self, where: Items, rows: FromClause) -> ColumnElement[bool]:
        table = chemical_system_elements.alias()
        conditions = [self._compare(table.c.symbol, condition) for condition in where.conditions]

        def has(condition: ColumnElement[bool]) -> ColumnElement[bool]:
            return rows.c.chemsys.in_(select(table.c.chemsys).where(condition))

        if where.quantifier is Quantifier.ALL:
            return and_(*map(has, conditions))
        return has(or_(*conditions)) if where.quantifier is Quantifier.ANY else not_(has(not_(or_(*conditions))))

    def _of_patterns(self, is_wanted: Callable[[Pattern], bool], rows: FromClause) -> ColumnElement[bool]:
        """Whether the pattern of the composition is wanted: there are few, so each is looked at here."""
        stored = compositions.c.anonymous_formula.in_(_filter_patterns(self._patterns, is_wanted))
        if rows is compositions:
            return stored
        return rows.c.reduced_formula.in_(select(compositions.c.reduced_formula).where(stored))

    @cached_property
    def _patterns(self) -> list[str]:
        return list(self.connection.scalars(select(compositions.c.anonymous_formula).distinct()))

    def _compare(self, column: ColumnElement[Any], condition: Condition) -> ColumnElement[bool]:
        value = condition.value
        if condition.operator in SUBSTRING_OPERATORS:
            return self._contain(column, condition.operator, str(value))
        if isinstance(value, float):
            return COMPARE[condition.operator](column, literal(value, Double()))  # type: ignore[return-value]
        if isinstance(value, str) and condition.operator in _ORDERED and self.connection.dialect.name != "sqlite":
            column = collate(column, "C")  # the order of texts is no language's
        return COMPARE[condition.operator](column, value)  # type: ignore[return-value]

    def _contain(self, column: ColumnElement[str], operator: Operator, text: str) -> ColumnElement[bool]:
        """Substrings, by code points: LIKE is not the same on both databases."""
        if operator is Operator.CONTAINS:
            find = func.instr if self.connection.dialect.name == "sqlite" else func.strpos
            return find(column, text) > 0
        if operator is Operator.STARTS:
            return func.substr(column, 1, len(text)) == text
        is_long_enough = func.length(column) >= len(text)
        return and_(is_long_enough, func.substr(column, func.length(column) - len(text) + 1) == text)


def _filter_patterns(patterns: Iterable[str], is_wanted: Callable[[Pattern], bool]) -> list[str]:
    return [pattern for pattern in patterns if is_wanted(Pattern.of(pattern))]


def _column(field: str, rows: FromClause) -> ColumnElement[Any]:
    """A column, or what follows from some."""
    if field == "n_elements":
        hyphens = func.length(rows.c.chemsys) - func.length(func.replace(rows.c.chemsys, "-", ""))
        return hyphens + 1
    if field == "energy_kind":
        return case((rows.c.formation_energy_per_atom.is_(None), "pseudo"), else_="formation")
    if field in ("n_periodic", "dimension_types"):  # of crystals that workers of the version before have recorded, 3
        return func.coalesce(rows.c.n_periodic, case((rows.c.is_crystal, 3)))
    column: ColumnElement[Any] = rows.c[field]
    return column
