"""Structures as users see them: filters, orders, pages."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from sqlalchemy import Connection, RowMapping, and_, select

from service.domain import MoleculeRecord, NotFoundError, OpinionView
from service.domain.views import MatchView, Page, StructureQuery, StructureView
from service.store.opinions import OpinionRepository
from service.store.structure_pages import ORDER_COLUMNS, are_more_than, count_structures, read_page
from service.store.tables import matches, references, structure_atoms, structures

_MOLECULE_COLUMNS: Final = ("smiles", "passes_checks", "molecule")
_NOT_VIEWED: Final = ("is_matched", *_MOLECULE_COLUMNS)
_VIEW_COLUMNS: Final = [
    structures.c[name]
    for name in dict.fromkeys((*StructureView.__dataclass_fields__, *_NOT_VIEWED))
    if name not in ("matches", "opinion", "atoms")
]  # fmt: skip
_POINT_COLUMNS: Final = [
    structures.c[name]
    for name in (
        "id", "model", "reduced_formula", "ranking_energy", "energy_above_hull", "volume_per_atom", "is_matched",
        "is_unique",
    )
]  # fmt: skip


@dataclass(frozen=True)
class StructureViews:
    """Reads structures within one transaction."""

    connection: Connection

    def get(self, structure_id: str, group: str) -> StructureView:
        """One structure with its atoms.

        Raises:
            NotFoundError: the group has no such structure.
        """
        is_wanted = and_(structures.c.id == structure_id, structures.c.group_name == group)
        query = select(*_VIEW_COLUMNS, structure_atoms.c.atoms).join(structure_atoms).where(is_wanted)
        views = self._views(self.connection.execute(query).mappings().all())
        if not views:
            raise NotFoundError("structure", structure_id)
        return views[0]

    def of_ids(self, ids: Sequence[str], group: str) -> list[StructureView]:
        """Structures of a group, in the order of these ids.

        Raises:
            NotFoundError: the group has no structure of one of the ids.
        """
        query = select(*_VIEW_COLUMNS).where(structures.c.id.in_(ids), structures.c.group_name == group)
        found = {view.id: view for view in self._views(self.connection.execute(query).mappings().all())} if ids else {}
        for key in ids:
            if key not in found:
                raise NotFoundError("structure", key)
        return [found[key] for key in ids]

    def recorded(self, job_id: str, skip: int, limit: int) -> list[StructureView]:
        """Structures of a job in the order in which they were recorded, to the end of which alone any are added."""
        order = (structures.c.created_at, structures.c.sample)
        # ids alone are sorted: ten thousand whole rows would not fit where PostgreSQL sorts in memory
        page = select(structures.c.id).where(structures.c.job_id == job_id).order_by(*order).offset(skip).limit(limit)
        query = select(*_VIEW_COLUMNS).where(structures.c.id.in_(page)).order_by(*order)
        return self._views(self.connection.execute(query).mappings().all())

    def search(self, query: StructureQuery) -> Page[StructureView]:
        """The page of structures that a query asks for.

        Pages are cut by key, not by number: what is added meanwhile neither repeats nor hides what was there.
        """
        rows = read_page(self.connection, _VIEW_COLUMNS, query)
        page = rows[: query.limit]
        next_key = [page[-1][ORDER_COLUMNS[query.order]], page[-1]["id"]] if len(rows) > query.limit else None
        return Page(self._views(page), next_key)

    def points(self, query: StructureQuery) -> tuple[dict[str, list[Any]], bool]:
        """The first structures that a query asks for as columns by name, and whether these are all."""
        rows = read_page(self.connection, _POINT_COLUMNS, query)
        shown = rows[: query.limit]
        columns = {column.name: [row[column] for row in shown] for column in _POINT_COLUMNS}
        asked = OpinionRepository(self.connection).energies_of(columns["id"])
        columns["opinion_energy"] = [asked.get(key) for key in columns["id"]]
        return columns, len(rows) == len(shown)

    def count(self, query: StructureQuery, max_read: int) -> int | None:
        """How many structures pass the filters; None where more than ``max_read`` would have to be looked at."""
        return count_structures(self.connection, query, max_read)

    def are_more_than(self, n: int, query: StructureQuery) -> bool:
        """Whether more than ``n`` structures pass the filters."""
        return are_more_than(self.connection, n, query)

    def with_atoms(self, views: Sequence[StructureView]) -> list[StructureView]:
        """The same structures with their atoms."""
        columns = structure_atoms.c
        query = select(columns.structure_id, columns.atoms).where(columns.structure_id.in_([v.id for v in views]))
        atoms = {row.structure_id: row.atoms for row in self.connection.execute(query)}
        return [replace(view, atoms=atoms[view.id]) for view in views]

    def _views(self, rows: Sequence[RowMapping]) -> list[StructureView]:
        found = self._matches([row["id"] for row in rows if row["is_matched"]])
        asked = OpinionRepository(self.connection).of_structures([row["id"] for row in rows])
        return [_view(row, found[row["id"]], asked.get(row["id"])) for row in rows]

    def _matches(self, ids: Sequence[str]) -> dict[str, list[MatchView]]:
        found: dict[str, list[MatchView]] = defaultdict(list)
        if not ids:
            return found
        query = (
            select(matches.c.structure_id, references.c.id, references.c.name, references.c.formula, matches.c.rms)
            .join(references, references.c.id == matches.c.reference_id)
            .where(matches.c.structure_id.in_(ids))
            .order_by(matches.c.rms, references.c.id)
        )
        for structure_id, reference, name, formula, rms in self.connection.execute(query):
            found[structure_id].append(MatchView(reference=reference, name=name, formula=formula, rms=rms))
        return found


def _view(row: RowMapping, found: Sequence[MatchView], opinion: OpinionView | None) -> StructureView:
    columns = dict(row)
    _, smiles, passes, examined = (columns.pop(name) for name in _NOT_VIEWED)
    molecule = examined and MoleculeRecord(smiles=smiles, passes_checks=passes, **examined)
    return StructureView(**columns, matches=tuple(found), molecule=molecule, opinion=opinion)
