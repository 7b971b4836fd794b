"""Structures as users see them: filters, orders, pages."""

from __future__ import annotations

import operator
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
    func,
    literal,
    select,
    tuple_,
)

from rm_engine.spec.limits import MAX_SAMPLES
from service.domain import MoleculeRecord, NotFoundError
from service.domain.ids import structure_id_of
from service.domain.views import MatchView, Page, StructureOrder, StructureQuery, StructureView
from service.store.tables import (
    IS_ON_HULL,
    ON_HULL,
    chemical_system_elements,
    matches,
    references,
    structure_atoms,
    structures,
)

_MAX_NAMES: Final = 5000
"""Most names of chemical systems in one query."""

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
        query = (
            select(*_VIEW_COLUMNS, structure_atoms.c.atoms).join(structure_atoms).where(structures.c.id == structure_id)
        )
        views = self._views(self.connection.execute(query).mappings().all())
        if not views:
            raise NotFoundError("structure", structure_id)
        return views[0]

    def search(self, query: StructureQuery) -> Page[StructureView]:
        """The page of structures that a query asks for.

        Pages are cut by key, not by number: what is added meanwhile neither repeats nor hides what was there.
        """
        rows: list[RowMapping] = []
        filters = [*_filters(query), *self._contain(query.elements)]
        for condition in _parts(query):
            statement = select(*_VIEW_COLUMNS).where(*filters, *condition).order_by(*_keys(query))
            rows += self.connection.execute(statement.limit(query.limit + 1 - len(rows))).mappings()
            if len(rows) > query.limit:
                break
        page = rows[: query.limit]
        next_key = [page[-1][_ORDER_COLUMNS[query.order]], page[-1]["id"]] if len(rows) > query.limit else None
        return Page(self._views(page), next_key)

    def _contain(self, elements: tuple[str, ...]) -> list[ColumnElement[bool]]:
        """The condition that all these elements are there, by the names of the systems that have them.

        Of names the database knows how common they are, of a subquery it does not, and reads the wrong way round.
        """
        if not elements:
            return []
        names = list(self.connection.scalars(_systems_with(elements)))
        system = structures.c.chemsys
        if len(names) == 1:
            return [system == names[0]]
        return [system.in_(names if len(names) <= _MAX_NAMES else _systems_with(elements))]

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
        (columns.model, query.model),
        (columns.model_fingerprint, query.model_fingerprint),
        (columns.start, query.start),
        (columns.smiles, query.smiles),
    ):
        if value is not None:
            yield column == value
    is_narrow = query.reduced_formula is not None or query.chemsys is not None
    for flag, wanted in (
        (columns.converged, query.converged),
        (columns.passes_checks, query.passes_checks),
        (columns.is_matched, query.matched),
        (columns.is_unique, query.unique),
    ):
        if wanted is not None:
            yield from _is_flagged(flag, wanted, is_narrow=is_narrow)
    if query.job is not None:
        yield columns.id.between(structure_id_of(query.job, 0), structure_id_of(query.job, MAX_SAMPLES))
    if query.energy_above_hull_max is not None:
        yield columns.energy_above_hull <= query.energy_above_hull_max
    if query.on_hull is not None:
        yield (columns.energy_above_hull <= ON_HULL) if query.on_hull else (columns.energy_above_hull > ON_HULL)
    if query.on_hull and not is_narrow:
        yield from (IS_ON_HULL, columns.is_crystal)


def _is_flagged(flag: Column[bool], wanted: bool, *, is_narrow: bool) -> Iterator[ColumnElement[bool]]:
    """The flag, so that an index of the flagged serves it, but not where there is a narrower one.

    PostgreSQL takes what lies in one chemical system to be spread evenly over the order of all. It lies together.
    """
    if is_narrow:
        yield func.coalesce(flag, not wanted) == wanted
        return
    yield flag == wanted
    if flag.nullable:
        yield flag.is_not(None)  # PostgreSQL does not conclude it


def _systems_with(elements: tuple[str, ...]) -> Select[tuple[str]]:
    table = chemical_system_elements.c
    query = select(table.chemsys).where(table.symbol.in_(elements)).group_by(table.chemsys)
    return query.having(func.count() == len(elements))


def _keys(query: StructureQuery) -> list[ColumnElement[Any]]:
    """What to sort by: the column of the order, then the id, as the indexes have them."""
    keys = dict.fromkeys((_ORDER_COLUMNS[query.order], structures.c.id))
    return [key.desc() if query.descending else key.asc() for key in keys]


def _parts(query: StructureQuery) -> Iterator[list[ColumnElement[bool]]]:
    """Conditions on the parts of a list, in its order, from the key of the page before: what has no value comes last.

    Each part is a range of an index; one condition for both is none, and everything would be read and sorted.
    """
    column, identity = _ORDER_COLUMNS[query.order], structures.c.id
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
