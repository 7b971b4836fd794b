"""Structures as users see them: filters, orders, pages."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    RowMapping,
    Select,
    and_,
    exists,
    func,
    literal,
    or_,
    select,
    tuple_,
)

from service.domain import MoleculeRecord, NotFoundError
from service.domain.views import MatchView, Page, StructureOrder, StructureQuery, StructureView
from service.store.tables import chemical_system_elements, matches, references, structures

ON_HULL: Final = 1e-6
"""Energy above the hull per atom up to which a structure lies on it."""

_MOLECULE_COLUMNS: Final = ("smiles", "passes_checks", "molecule")
_VIEW_COLUMNS: Final = [
    structures.c[name]
    for name in dict.fromkeys((*StructureView.__dataclass_fields__, *_MOLECULE_COLUMNS))
    if name not in ("matches", "atoms")
]  # fmt: skip
_ORDER_COLUMNS: Final[dict[StructureOrder, Column[Any]]] = {
    StructureOrder.ENERGY: structures.c.ranking_energy,
    StructureOrder.ENERGY_ABOVE_HULL: structures.c.energy_above_hull,
    StructureOrder.CREATED: structures.c.id,
}


@dataclass(frozen=True)
class StructureViews:
    """Reads structures within one transaction."""

    connection: Connection

    def get(self, structure_id: str) -> StructureView:
        """One structure with its atoms.

        Raises:
            NotFoundError: no such structure.
        """
        query = select(*_VIEW_COLUMNS, structures.c.atoms).where(structures.c.id == structure_id)
        views = self._views(self.connection.execute(query).mappings().all())
        if not views:
            raise NotFoundError("structure", structure_id)
        return views[0]

    def search(self, query: StructureQuery) -> Page[StructureView]:
        """The page of structures that a query asks for.

        Pages are cut by key, not by number: what is added meanwhile neither repeats nor hides what was there.
        """
        column = _ORDER_COLUMNS[query.order]
        statement = select(*_VIEW_COLUMNS).where(*_filters(query)).limit(query.limit + 1)
        rows = self.connection.execute(_in_order(statement, column, query)).mappings().all()
        page = rows[: query.limit]
        next_key = [page[-1][column], page[-1]["id"]] if len(rows) > query.limit else None
        return Page(self._views(page), next_key)

    def _views(self, rows: Sequence[RowMapping]) -> list[StructureView]:
        found = self._matches([row["id"] for row in rows])
        return [_view(row, found[row["id"]]) for row in rows]

    def _matches(self, ids: Sequence[str]) -> dict[str, list[MatchView]]:
        query = (
            select(matches.c.structure_id, references.c.id, references.c.name, references.c.formula, matches.c.rms)
            .join(references, references.c.id == matches.c.reference_id)
            .where(matches.c.structure_id.in_(ids))
            .order_by(matches.c.rms, references.c.id)
        )
        found: dict[str, list[MatchView]] = defaultdict(list)
        for structure_id, reference, name, formula, rms in self.connection.execute(query):
            found[structure_id].append(MatchView(reference=reference, name=name, formula=formula, rms=rms))
        return found


def _view(row: RowMapping, found: Sequence[MatchView]) -> StructureView:
    columns = dict(row)
    smiles, passes, examined = (columns.pop(name) for name in _MOLECULE_COLUMNS)
    molecule = examined and MoleculeRecord(smiles=smiles, passes_checks=passes, **examined)
    return StructureView(**columns, matches=tuple(found), molecule=molecule)


def _filters(query: StructureQuery) -> Iterator[ColumnElement[bool]]:
    columns = structures.c
    for column, value in (
        (columns.reduced_formula, query.reduced_formula),
        (columns.chemsys, query.chemsys),
        (columns.job_id, query.job),
        (columns.model, query.model),
        (columns.model_fingerprint, query.model_fingerprint),
        (columns.start, query.start),
        (columns.smiles, query.smiles),
    ):
        if value is not None:
            yield column == value
    for flag, wanted in ((columns.converged, query.converged), (columns.passes_checks, query.passes_checks)):
        if wanted is not None:
            yield flag.is_(wanted)
    if query.elements:
        yield columns.chemsys.in_(_systems_with(query.elements))
    if query.unique is not None:
        yield (columns.representative_id == columns.id) if query.unique else (columns.representative_id != columns.id)
    if query.matched is not None:
        is_matched = exists().where(matches.c.structure_id == columns.id)
        yield is_matched if query.matched else ~is_matched
    if query.energy_above_hull_max is not None:
        yield columns.energy_above_hull <= query.energy_above_hull_max
    if query.on_hull is not None:
        distance = columns.energy_above_hull
        yield (distance <= ON_HULL) if query.on_hull else (distance > ON_HULL)


def _systems_with(elements: tuple[str, ...]) -> Select[tuple[str]]:
    table = chemical_system_elements.c
    query = select(table.chemsys).where(table.symbol.in_(elements)).group_by(table.chemsys)
    return query.having(func.count() == len(elements))


def _in_order(statement: Select[Any], column: Column[Any], query: StructureQuery) -> Select[Any]:
    """Sort by (column, id), what has no value last, and begin after the key of the page before."""
    if query.after is not None:
        statement = statement.where(_is_after(column, query.after, descending=query.descending))
    keys = (column.desc(), structures.c.id.desc()) if query.descending else (column.asc(), structures.c.id.asc())
    # not where nothing is null: PostgreSQL could no longer read its index backwards
    return statement.order_by(keys[0].nulls_last() if column.nullable else keys[0], keys[1])


def _is_after(column: Column[Any], key: tuple[Any, ...], *, descending: bool) -> ColumnElement[bool]:
    value, last_id = key
    identity = structures.c.id
    if value is None:
        return and_(column.is_(None), identity < last_id if descending else identity > last_id)
    here, there = tuple_(column, identity), tuple_(literal(value), literal(last_id))
    is_later = here < there if descending else here > there
    return or_(is_later, column.is_(None)) if column.nullable else is_later
