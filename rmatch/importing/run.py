"""Running an import: page after page is stored with the place where to go on."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing

from rmatch.errors import CommandError
from rmatch.importing.source import Page, Source
from service.domain import Reference
from service.domain.imports import ImportRecord, ImportRequest
from service.jobs import advance_import, begin_import, finish_import
from service.store import Store


def run_import(
    store: Store,
    source: Source,
    tell: Callable[[ImportRecord, Page], None],
    *,
    group: str,
    label: str = "",
    limit: int,
    restart: bool = False,
) -> ImportRecord:
    """Import a source, or go on where an earlier run of the same was broken off; how it ended.

    Args:
        store: the database.
        source: where from.
        tell: called with every page that was stored.
        group: who is to see the structures.
        label: what to write down as their source; by default what the source calls itself.
        limit: most structures to read of it.
        restart: begin anew.

    Raises:
        CommandError: the source cannot be read any further, or has more structures than the limit.
        FileFormatError: the file cannot be read any further.
        ServiceError: the group is none, another process imports the same, or the database does not answer.
    """
    request = ImportRequest(source=source.location, selection=source.selection, version=source.version, group=group)
    record = begin_import(store, request, restart=restart)
    with closing(source.read(record.cursor)) as pages:
        for page in pages:
            if record.n_read >= limit:
                raise CommandError(f"There are more than {limit:,} structures. Choose some, or give a larger --limit.")
            references = [
                Reference(name=name, atoms=atoms, source=label or source.label, group=group)
                for name, atoms in page.structures
            ]
            n_skipped, n_broken = len(page.skipped), len(page.broken)
            record = advance_import(
                store, record, references, cursor=page.cursor, n_skipped=n_skipped, n_broken=n_broken
            )
            tell(record, page)
    return finish_import(store, record)
