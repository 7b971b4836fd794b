"""The hulls: one per model and chemical system, of converged crystals only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations

from sqlalchemy import ColumnElement, Connection, and_, bindparam, case, func, or_, select, update

from service.domain import HullEntry, HullSystem
from service.store.tables import chemical_system_elements, structures


@dataclass(frozen=True)
class HullRepository:
    """Hulls within one transaction."""

    connection: Connection

    def systems_above(self, chemsys: str, model: str, fingerprint: str) -> list[HullSystem]:
        """The stored chemical systems that contain ``chemsys``, itself included, each with the crystals of its hull.

        Only crystals of the model of that name and fingerprint count: one that was trained again under the same name
        is another.
        """
        of_model = and_(structures.c.model == model, structures.c.model_fingerprint == fingerprint)
        systems = [self._load(name, of_model) for name in _names_containing(self.connection, chemsys)]
        return [system for system in systems if system.members]

    def raise_distances(self, distances: Mapping[str, float], job_id: str) -> None:
        """Store energies above the hull per atom, where they are larger than what is stored.

        In the order of ids, and with every row of the analysed job ``job_id``, even where nothing changes: so all rows
        are locked in one order, and two analyses that touch the same ones cannot deadlock.
        """
        distance = structures.c.energy_above_hull
        rows = [{"key": key, "distance": value} for key, value in sorted(distances.items())]
        if rows:
            is_larger = or_(distance.is_(None), distance < bindparam("distance"))
            statement = update(structures).where(
                structures.c.id == bindparam("key"), or_(is_larger, structures.c.job_id == job_id)
            )
            larger = case((is_larger, bindparam("distance")), else_=distance)
            self.connection.execute(statement.values(energy_above_hull=larger), rows)

    def _load(self, chemsys: str, of_model: ColumnElement[bool]) -> HullSystem:
        columns = structures.c
        on_hull = and_(of_model, columns.is_crystal, columns.converged)
        query = select(columns.id, columns.formula, columns.ranking_energy)
        order = func.row_number().over(
            partition_by=columns.reduced_formula, order_by=(columns.ranking_energy, columns.id)
        )
        ranked = query.add_columns(order.label("place")).where(on_hull, columns.chemsys.in_(_proper_subsets(chemsys)))
        lowest = ranked.subquery()
        members = self.connection.execute(query.where(on_hull, columns.chemsys == chemsys).order_by(columns.id))
        subsystems = self.connection.execute(
            select(lowest.c.id, lowest.c.formula, lowest.c.ranking_energy).where(lowest.c.place == 1)
        )
        return HullSystem(
            chemsys=chemsys,
            members=tuple(_entry(*row) for row in members),
            subsystems=tuple(_entry(*row) for row in subsystems),
        )


def _entry(structure_id: str, formula: str, energy: float) -> HullEntry:
    return HullEntry(structure_id=structure_id, formula=formula, ranking_energy=energy)


def _names_containing(connection: Connection, chemsys: str) -> list[str]:
    symbols = chemsys.split("-")
    table = chemical_system_elements.c
    query = select(table.chemsys).where(table.symbol.in_(symbols)).group_by(table.chemsys)
    return list(connection.scalars(query.having(func.count() == len(symbols)).order_by(table.chemsys)))


def _proper_subsets(chemsys: str) -> list[str]:
    """Names of the systems with some of the elements; at most 254, as a formula has at most eight."""
    symbols = chemsys.split("-")
    return ["-".join(subset) for size in range(1, len(symbols)) for subset in combinations(symbols, size)]
