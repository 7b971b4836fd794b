"""The imports table."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from sqlalchemy import Connection, RowMapping, select, update

from service.domain.imports import ImportRecord, ImportRequest
from service.store.engine import read_clock
from service.store.tables import imports
from service.store.upsert import insert_or_replace


@dataclass(frozen=True)
class ImportRepository:
    """Imports within one transaction."""

    connection: Connection

    def find(self, import_id: str) -> ImportRecord | None:
        """The record of that id; None where there is none."""
        row = self.connection.execute(select(imports).where(imports.c.id == import_id)).mappings().one_or_none()
        return None if row is None else _record(row)

    def begin(self, request: ImportRequest) -> ImportRecord:
        """Keep a new record in place of the one of an earlier run."""
        now = read_clock(self.connection)
        record = ImportRecord(id=request.id, started_at=now, updated_at=now, **asdict(request))
        insert_or_replace(self.connection, imports, _row(record))
        return record

    def advance(self, before: ImportRecord, after: ImportRecord) -> bool:
        """Replace a record, unless another process has done so since ``before`` was read; whether it was replaced."""
        is_unchanged = (
            imports.c.id == before.id,
            imports.c.cursor == before.cursor,
            imports.c.started_at == before.started_at,
            imports.c.is_finished == before.is_finished,
        )
        row = _row(after) | {"updated_at": read_clock(self.connection)}
        return self.connection.execute(update(imports).where(*is_unchanged).values(row)).rowcount == 1

    def list_latest(self) -> list[ImportRecord]:
        """All records, the latest first."""
        query = select(imports).order_by(imports.c.updated_at.desc(), imports.c.id)
        return [_record(row) for row in self.connection.execute(query).mappings()]


def _row(record: ImportRecord) -> dict[str, object]:
    row = asdict(record)
    return row | {"group_name": row.pop("group")}


def _record(row: RowMapping) -> ImportRecord:
    columns = dict(row)
    return ImportRecord(group=columns.pop("group_name"), **columns)
