"""Reading a page of structures: every filter and every order off an index, wherever in the list the page is.

What decides here is what PostgreSQL does with a million rows. It takes filters and orders to be independent of one
another. They are not: what is of one composition lies together in every order.
"""

from __future__ import annotations

import operator
from collections.abc import Iterator, Sequence
from typing import Any, Final

from sqlalchemy import (
    ARRAY,
    Column,
    ColumnElement,
    Connection,
    RowMapping,
    Select,
    Text,
    and_,
    any_,
    case,
    func,
    literal,
    select,
    true,
    tuple_,
)
from sqlalchemy.sql.base import ReadOnlyColumnCollection

from rm_engine.spec.limits import MAX_SAMPLES
from service.domain.filters import ALL_STRUCTURES, every, has_elements
from service.domain.ids import structure_id_of
from service.domain.views import StructureKind, StructureOrder, StructureQuery
from service.store.structure_filters import FilterTranslator, Narrowing, narrow
from service.store.tables import IS_ON_HULL, ON_HULL, opinions, structures, unindexed

ORDER_COLUMNS: Final[dict[StructureOrder, Column[Any]]] = {
    StructureOrder.ENERGY: structures.c.ranking_energy,
    StructureOrder.ENERGY_ABOVE_HULL: structures.c.energy_above_hull,
    StructureOrder.CREATED: structures.c.id,
}

_MAX_MERGED: Final = 200
"""Most systems or compositions of which the beginnings are merged; of more, the rows in order are tried one by one."""


def read_page(connection: Connection, columns: Sequence[ColumnElement[Any]], query: StructureQuery) -> list[RowMapping]:
    """The structures that a query asks for, in its order, and one more where there are more.

    Args:
        connection: the transaction.
        columns: of the table of structures.
        query: filters, order, the key of the page before.
    """
    rows: list[RowMapping] = []
    narrowing, rest = _narrow(connection, query)
    for part in _parts(query):
        n_missing = query.limit + 1 - len(rows)
        conditions = _conditions(query, narrowing, [*rest, *part], n_missing)
        found = select(*columns).where(*conditions).order_by(*_keys(query))
        rows += connection.execute(found.limit(n_missing)).mappings()
        if len(rows) > query.limit:
            break
    return rows


def count_structures(connection: Connection, query: StructureQuery, max_read: int) -> int | None:
    """How many structures pass the filters of a query; None where more than ``max_read`` would have to be looked at."""
    narrowing, rest = _narrow(connection, query)
    passes = case((and_(*_filters(query, is_narrow=False), *rest), 1))
    looked_at = [structures.c.group_name == query.group, *([] if narrowing is None else [_is_among(narrowing)])]
    read = select(passes.label("passes")).where(*looked_at).limit(max_read + 1).subquery()
    n_read, n_passing = connection.execute(select(func.count(), func.count(read.c.passes)).select_from(read)).one()
    return int(n_passing) if n_read <= max_read else None


def are_more_than(connection: Connection, n: int, query: StructureQuery) -> bool:
    """Whether more than ``n`` structures pass the filters of a query."""
    narrowing, rest = _narrow(connection, query)
    among = [] if narrowing is None else [_is_among(narrowing)]
    passing = select(structures.c.id).where(*_filters(query, is_narrow=False), *rest, *among)
    return connection.execute(passing.offset(n).limit(1)).first() is not None


def _narrow(connection: Connection, query: StructureQuery) -> tuple[Narrowing | None, list[ColumnElement[bool]]]:
    """Which compositions the filters leave, and what else of ``where`` their structures must pass."""
    if not query.elements and query.where == ALL_STRUCTURES:
        return None, []
    parts = [has_elements(query.elements), query.where] if query.elements else [query.where]
    narrowing, rest = narrow(connection, every(parts))
    if rest == ALL_STRUCTURES:
        return narrowing, []
    condition = FilterTranslator(connection).translate(rest)
    return narrowing, [condition if narrowing is None else unindexed(condition)]


def _conditions(
    query: StructureQuery, narrowing: Narrowing | None, rest: list[ColumnElement[bool]], limit: int
) -> list[ColumnElement[bool]]:
    is_narrow = query.reduced_formula is not None or query.chemsys is not None
    if narrowing is None:
        return [*_filters(query, is_narrow=is_narrow), *rest]
    if not is_narrow and isinstance(narrowing.values, list) and len(narrowing.values) <= _MAX_MERGED:
        conditions = [*_filters(query, is_narrow=True), *rest]
        return [structures.c.id.in_(_merge(narrowing.column, narrowing.values, query, conditions, limit))]
    return [*_filters(query, is_narrow=is_narrow), *rest, _is_among(narrowing)]


def _is_among(narrowing: Narrowing) -> ColumnElement[bool]:
    if isinstance(narrowing.values, list):
        return narrowing.column == any_(literal(narrowing.values, ARRAY(Text)))
    return narrowing.column.in_(narrowing.values)


def _merge(
    column: Column[str], values: list[str], query: StructureQuery, conditions: list[ColumnElement[bool]], limit: int
) -> Select[tuple[str]]:
    """Ids of the first ``limit`` structures of all these systems or compositions, from the first so many of each."""
    names = func.unnest(literal(values, ARRAY(Text))).table_valued("name").render_derived("systems")
    columns = dict.fromkeys((structures.c.id, ORDER_COLUMNS[query.order]))
    first = select(*columns).where(column == names.c.name, *conditions).order_by(*_keys(query)).limit(limit)
    merged = first.correlate(names).lateral("first")
    return select(merged.c.id).select_from(names).join(merged, true()).order_by(*_keys(query, merged.c)).limit(limit)


def _filters(query: StructureQuery, *, is_narrow: bool) -> Iterator[ColumnElement[bool]]:
    columns = structures.c
    yield columns.group_name == query.group
    for column, value in (
        (columns.reduced_formula, query.reduced_formula),
        (columns.chemsys, query.chemsys),
        (columns.model_fingerprint, query.model_fingerprint),
        (columns.start, query.start),
        (columns.smiles, query.smiles),
    ):
        if value is not None:
            yield column == value
    for column, wanted in (
        (columns.model, query.model),
        (columns.converged, query.converged),
        (columns.passes_checks, query.passes_checks),
        (columns.is_matched, query.matched),
        (columns.is_unique, query.unique),
    ):
        if wanted is not None:
            yield from _is_one_of_few(column, wanted, is_narrow=is_narrow)
    if query.kind is not None:
        yield from _is_of_kind(query.kind, is_narrow=is_narrow)
    if query.job is not None:
        yield columns.id.between(structure_id_of(query.job, 0), structure_id_of(query.job, MAX_SAMPLES))
    limit = query.energy_above_hull_max
    if limit is not None:
        yield columns.energy_above_hull <= limit
    yield from _is_judged(query)
    if query.on_hull is not None:
        yield (columns.energy_above_hull <= ON_HULL) if query.on_hull else (columns.energy_above_hull > ON_HULL)
    if not is_narrow and (query.on_hull or (limit is not None and limit <= ON_HULL)):
        yield from (IS_ON_HULL, columns.is_crystal)  # what the index of the hulls holds


def _is_judged(query: StructureQuery) -> Iterator[ColumnElement[bool]]:
    """What was estimated, and asked of others."""
    if query.opinion_job is not None:
        yield structures.c.id.in_(select(opinions.c.structure_id).where(opinions.c.job_id == query.opinion_job))
    if query.band_gap_min is not None:
        yield structures.c.band_gap >= query.band_gap_min
    if query.band_gap_max is not None:
        yield structures.c.band_gap <= query.band_gap_max


def _is_of_kind(kind: StructureKind, *, is_narrow: bool) -> Iterator[ColumnElement[bool]]:
    columns = structures.c
    if kind is StructureKind.DUPLICATE:
        yield columns.is_unique.is_(False)
        return
    yield columns.is_unique.is_not(False)
    if kind is not StructureKind.DISTINCT:
        yield from _is_one_of_few(columns.is_matched, kind is StructureKind.KNOWN, is_narrow=is_narrow)


def _is_one_of_few(column: Column[Any], wanted: object, *, is_narrow: bool) -> Iterator[ColumnElement[bool]]:
    """The value of a column of few values, so that an index of it may serve, but not where there is a narrower one.

    PostgreSQL takes what lies in one chemical system to be spread evenly over the order of all. It lies together.
    """
    if is_narrow:
        yield unindexed(column == wanted)
        return
    yield column == wanted
    if column.nullable:
        yield column.is_not(None)  # PostgreSQL does not conclude it


def _keys(
    query: StructureQuery, columns: ReadOnlyColumnCollection[str, Any] = structures.c
) -> list[ColumnElement[Any]]:
    """What to sort by: the column of the order, then the id, as the indexes have them."""
    keys = dict.fromkeys((columns[ORDER_COLUMNS[query.order].name], columns.id))
    return [key.desc() if query.descending else key.asc() for key in keys]


def _parts(query: StructureQuery) -> Iterator[list[ColumnElement[bool]]]:
    """Conditions on the parts of a list, in its order, from the key of the page before: what has no value comes last.

    Each part is a range of an index; one condition for both is none, and everything would be read and sorted.
    """
    column, identity = ORDER_COLUMNS[query.order], structures.c.id
    is_later = operator.lt if query.descending else operator.gt
    value, last_id = query.after or (None, None)
    if column is identity:
        yield [] if last_id is None else [is_later(identity, last_id)]
        return
    if value is not None:
        yield [is_later(tuple_(column, identity), tuple_(literal(value), literal(last_id)))]
    elif last_id is None:
        yield [column.is_not(None)] if column.nullable else []
    if column.nullable and query.on_hull is None and query.energy_above_hull_max is None:
        begins_here = last_id is not None and value is None
        yield [column.is_(None), is_later(identity, last_id)] if begins_here else [column.is_(None)]
