"""References as users see them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, select

from service.domain.views import Page, ReferenceView
from service.store.references import are_seen_by
from service.store.tables import references

_VIEW_COLUMNS: Final = [references.c[name] for name in ReferenceView.__dataclass_fields__]


@dataclass(frozen=True)
class ReferenceViews:
    """Reads references within one transaction."""

    connection: Connection

    def get(self, ids: Collection[str]) -> list[ReferenceView]:
        """The references of these ids."""
        rows = self.connection.execute(select(*_VIEW_COLUMNS).where(references.c.id.in_(ids)).order_by(references.c.id))
        return [ReferenceView(**row) for row in rows.mappings()]

    def search(self, group: str, reduced_formula: str | None, after: str | None, limit: int) -> Page[ReferenceView]:
        """References that a group sees, in the order of their ids, optionally of one composition."""
        columns = references.c
        query = select(*_VIEW_COLUMNS).where(are_seen_by(group)).order_by(columns.id).limit(limit + 1)
        if reduced_formula is not None:
            query = query.where(columns.reduced_formula == reduced_formula)
        if after is not None:
            query = query.where(columns.id > after)
        rows = self.connection.execute(query).mappings().all()
        items = [ReferenceView(**row) for row in rows[:limit]]
        return Page(items, [items[-1].id] if len(rows) > limit else None)
