"""Imports of known structures: batches and how far they have come are stored together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from service.domain import Reference
from service.domain.errors import ImportOvertakenError
from service.domain.imports import ImportRecord, ImportRequest
from service.store import Store


def begin_import(store: Store, request: ImportRequest, *, restart: bool = False) -> ImportRecord:
    """The record of an import that was broken off, to go on with, or a new one.

    Args:
        store: the database.
        request: what is to be imported.
        restart: begin anew, whatever came of earlier runs.
    """
    with store.transaction() as tx:
        found = tx.imports.find(request.id)
        if found is None or found.is_finished or found.version != request.version or restart:
            return tx.imports.begin(request)
        return found


def advance_import(
    store: Store,
    record: ImportRecord,
    references: Sequence[Reference],
    *,
    cursor: str,
    n_skipped: int = 0,
    n_broken: int = 0,
) -> ImportRecord:
    """Add a batch of known structures, and note where to go on.

    Args:
        store: the database.
        record: as it was before.
        references: what to add.
        cursor: where to go on after them.
        n_skipped: how many were left out beside them.
        n_broken: how many could not be read beside them.

    Raises:
        ImportOvertakenError: another process imports the same.
    """
    with store.transaction() as tx:
        stored = tx.references.stored({key for item in references for key in (item.id, item.public_id)})
        n_new = len(set(tx.references.add(references)) - stored)
        after = replace(
            record,
            cursor=cursor,
            n_new=record.n_new + n_new,
            n_known=record.n_known + len(references) - n_new,
            n_skipped=record.n_skipped + n_skipped,
            n_broken=record.n_broken + n_broken,
        )
        if not tx.imports.advance(record, after):
            raise ImportOvertakenError(record.source)
    return after


def finish_import(store: Store, record: ImportRecord) -> ImportRecord:
    """Note that all was read.

    Raises:
        ImportOvertakenError: another process imports the same.
    """
    after = replace(record, is_finished=True)
    with store.transaction() as tx:
        if not tx.imports.advance(record, after):
            raise ImportOvertakenError(record.source)
    return after


def list_imports(store: Store) -> list[ImportRecord]:
    """All imports, the latest first."""
    with store.reading() as tx:
        return tx.imports.list_latest()
