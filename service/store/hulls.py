"""The hulls: one per model and chemical system, of converged crystals only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations

from sqlalchemy import (
    JSON,
    ColumnElement,
    Connection,
    Double,
    FromClause,
    Text,
    and_,
    case,
    cast,
    func,
    literal,
    or_,
    select,
    union,
    update,
)

from service.domain import HULL_RESOLUTION, HullEntry, HullSystem
from service.store.tables import chemical_system_elements, structures, unindexed


@dataclass(frozen=True)
class HullRepository:
    """Hulls within one transaction.

    Only crystals of one group count, and of the model of a name and a fingerprint: one that was trained again under the
    same name is another.
    """

    connection: Connection

    def systems_above(self, chemsys: str) -> list[str]:
        """Names of the stored chemical systems that contain ``chemsys``, itself left out."""
        symbols = chemsys.split("-")
        table = chemical_system_elements.c
        query = select(table.chemsys).where(table.symbol.in_(symbols), table.chemsys != chemsys).group_by(table.chemsys)
        return list(self.connection.scalars(query.having(func.count() == len(symbols)).order_by(table.chemsys)))

    def system(self, group: str, chemsys: str, model: str, fingerprint: str) -> HullSystem:
        """The compositions of a chemical system and of all within it."""
        columns = structures.c
        distance = columns.energy_above_hull
        query = (
            select(
                columns.chemsys == chemsys,
                columns.reduced_formula,
                func.min(columns.ranking_energy),
                func.max(columns.ranking_energy - distance),
                func.count(distance) == func.count(),
            )
            .where(columns.chemsys.in_(_subsets(chemsys)), *_are_of(structures, group, model, fingerprint))
            .group_by(columns.chemsys, columns.reduced_formula)
            .order_by(columns.reduced_formula)
        )
        entries: dict[bool, list[HullEntry]] = {True: [], False: []}
        for is_member, formula, lowest, hull, is_measured in self.connection.execute(query):
            entry = HullEntry(reduced_formula=formula, lowest_energy=lowest, hull_energy=hull, is_measured=is_measured)
            entries[is_member].append(entry)
        return HullSystem(chemsys=chemsys, members=tuple(entries[True]), subsystems=tuple(entries[False]))

    def raise_distances(self, hull: Mapping[str, float], group: str, model: str, fingerprint: str, job_id: str) -> None:
        """Store distances to the hull, where they are larger than what is stored, for whole compositions at once.

        All rows are locked in the order of their ids, with those of the analysed job, which change next: so two
        analyses that touch the same ones cannot deadlock.

        Args:
            hull: energy of the hull per atom at each reduced formula.
            group: whose structures.
            model: name of the model.
            fingerprint: which weights of that name.
            job_id: the analysed job.
        """
        formula, energy = self._as_table(hull)
        # So SQLite goes by group and composition: it takes a group alone for a handful of rows, and would read it all.
        own = func.coalesce(literal(group), formula)
        read, locked = structures.alias("read"), structures.alias("locked")

        def is_raised(rows: FromClause) -> ColumnElement[bool]:
            distance, above = rows.c.energy_above_hull, rows.c.ranking_energy - energy
            is_larger = or_(distance.is_(None), distance < above - HULL_RESOLUTION)
            return and_(rows.c.reduced_formula == formula, is_larger, *_are_of(rows, own, model, fingerprint))

        touched = union(select(read.c.id).where(is_raised(read)), select(read.c.id).where(read.c.job_id == job_id))
        in_order = select(locked.c.id).where(locked.c.id.in_(touched)).order_by(locked.c.id).with_for_update()
        above = structures.c.ranking_energy - energy
        self.connection.execute(
            update(structures)
            .where(structures.c.id.in_(in_order), is_raised(structures))
            .values(energy_above_hull=case((above > HULL_RESOLUTION, above), else_=0.0))
        )

    def _as_table(self, values: Mapping[str, float]) -> tuple[ColumnElement[str], ColumnElement[float]]:
        """Keys and values as columns of a table, of any length in one parameter."""
        each = func.json_each if self.connection.dialect.name == "sqlite" else func.json_each_text
        rows = each(literal(dict(values), JSON())).table_valued("key", "value", name="hull")
        return cast(rows.c.key, Text), cast(rows.c.value, Double)


def _are_of(
    rows: FromClause, group: str | ColumnElement[str], model: str, fingerprint: str
) -> tuple[ColumnElement[bool], ...]:
    return (
        rows.c.group_name == group,
        unindexed(rows.c.model == model),
        rows.c.model_fingerprint == fingerprint,
        rows.c.is_crystal,
        rows.c.converged,
    )


def _subsets(chemsys: str) -> list[str]:
    """Names of the systems with some or all of the elements; at most 255, as a formula has at most eight."""
    symbols = chemsys.split("-")
    return ["-".join(subset) for size in range(1, len(symbols) + 1) for subset in combinations(symbols, size)]
