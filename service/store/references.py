"""The references table."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, func, select

from service.domain import PUBLIC_GROUP, Reference
from service.store.engine import read_clock
from service.store.tables import references
from service.store.upsert import insert_or_ignore


@dataclass(frozen=True)
class ReferenceRepository:
    """References within one transaction."""

    connection: Connection

    def add(self, items: Iterable[Reference]) -> list[str]:
        """Store references that are not there yet, nor known to all; returns the ids of all."""
        items = list(items)
        now = read_clock(self.connection)
        public = self.stored({item.public_id for item in items if item.group != PUBLIC_GROUP})
        rows = {item.id: _row(item, now) for item in items if item.public_id not in public}
        insert_or_ignore(self.connection, references, [rows[key] for key in sorted(rows)])
        return [item.public_id if item.public_id in public else item.id for item in items]

    def of_formulas(self, reduced_formulas: Collection[str], group: str) -> list[Reference]:
        """The references of these reduced formulas that a group sees."""
        columns = references.c
        query = (
            select(columns.id, columns.name, columns.atoms, columns.source)
            .where(columns.reduced_formula.in_(reduced_formulas), are_seen_by(group))
            .order_by(columns.id)
        )
        return [Reference.stored(**row) for row in self.connection.execute(query).mappings()]

    def count(self, reduced_formulas: Collection[str], group: str) -> int:
        """Number of references of these reduced formulas that a group sees."""
        is_counted = and_(references.c.reduced_formula.in_(sorted(reduced_formulas)), are_seen_by(group))
        return self.connection.scalar(select(func.count()).select_from(references).where(is_counted)) or 0

    def prototypes(
        self, anonymous_formula: str, sizes: Collection[int], known_before: datetime, limit: int, group: str
    ) -> list[Reference]:
        """Known crystals of a stoichiometry pattern, in the order of their ids, which is no order of anything else.

        Args:
            anonymous_formula: the pattern, :attr:`rm_engine.spec.Formula.anonymous`.
            sizes: numbers of atoms in the cell that are wanted.
            known_before: only references that were added before.
            limit: at most so many.
            group: only what it sees.
        """
        columns = references.c
        is_crystal = (columns.atoms["periodic", axis].as_boolean() for axis in range(3))
        query = (
            select(columns.id, columns.name, columns.atoms, columns.source)
            .where(columns.anonymous_formula == anonymous_formula, columns.n_atoms.in_(sizes))
            .where(columns.created_at < known_before, *is_crystal, are_seen_by(group))
            .order_by(columns.id)
            .limit(limit)
        )
        return [Reference.stored(**row) for row in self.connection.execute(query).mappings()]

    def titles(self, names: Collection[str]) -> set[tuple[str, str]]:
        """(name, source) of the references of these names."""
        query = select(references.c.name, references.c.source).where(references.c.name.in_(names))
        return {(name, source) for name, source in self.connection.execute(query)}

    def stored(self, ids: Collection[str]) -> set[str]:
        """Which of these ids are there."""
        return set(self.connection.scalars(select(references.c.id).where(references.c.id.in_(ids))))


def are_seen_by(group: str) -> ColumnElement[bool]:
    """References of the group itself, and those of all."""
    return references.c.group_name.in_(sorted({group, PUBLIC_GROUP}))


def _row(item: Reference, now: datetime) -> dict[str, Any]:
    formula = item.formula
    return {
        "id": item.id,
        "group_name": item.group,
        "name": item.name,
        "source": item.source,
        "formula": str(formula),
        "reduced_formula": formula.reduced,
        "anonymous_formula": formula.anonymous,
        "chemsys": formula.chemsys,
        "n_atoms": formula.n_atoms,
        "atoms": dict(item.atoms),
        "created_at": now,
    }
