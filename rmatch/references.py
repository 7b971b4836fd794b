"""``rmatch references``."""

from __future__ import annotations

from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from rmatch.output import Json, print_json
from rmatch.progress import count_progress
from service.domain.access import PUBLIC_GROUP
from service.settings import Settings

if TYPE_CHECKING:
    from rmatch.importing.source import Page
    from service.domain.imports import ImportRecord

app = typer.Typer(no_args_is_help=True, help="Known structures, with which results are compared.")

_COLUMNS: Final = ("source", "selection", "group", "state", "new", "known", "skipped", "unreadable", "started", "last")


@app.callback()
def references() -> None:
    """Known structures, with which results are compared."""


@app.command("import")
def import_references(
    source: Annotated[
        str,
        typer.Argument(
            help="A CIF, POSCAR, extxyz, SDF, pymatgen JSON or MP-20 CSV file, also .gz, an ASE .db, a folder of CIF "
            "files, the URL of an OPTIMADE provider, or materials-project."
        ),
    ],
    label: Annotated[
        str, typer.Option("--source", help="Where the structures come from, in words; by default where they are read.")
    ] = "",
    group: Annotated[str, typer.Option(help="Who sees them; everyone, if it is the public one.")] = PUBLIC_GROUP,
    filter_: Annotated[str, typer.Option("--filter", help="Only what this OPTIMADE filter finds.")] = "",
    system: Annotated[str, typer.Option(help="Only structures of exactly these elements, such as Li-S.")] = "",
    elements: Annotated[str, typer.Option(help="Only structures that hold these elements, such as Li,S.")] = "",
    api_key_file: Annotated[Path | None, typer.Option(help="File that holds the key for the database.")] = None,
    page_size: Annotated[int, typer.Option(min=1, max=1000, help="Structures to ask a database for at a time.")] = 100,
    limit: Annotated[int, typer.Option(min=1, help="Most structures to read.")] = 1_000_000,
    restart: Annotated[bool, typer.Option("--restart", help="Begin anew, where an import was broken off.")] = False,
    as_json: Json = False,
) -> None:
    """Add structures to the known ones; those already known stay as they are.

    An import that was broken off goes on where it was when the same command is given again.
    """
    from rmatch.importing import SourceOptions, open_source, run_import
    from service.store import Store

    settings, console = Settings(), Console(stderr=True)
    options = SourceOptions(
        filter=filter_, system=system, elements=elements, api_key_file=api_key_file, page_size=page_size
    )
    with (
        open_source(source, options, settings) as opened,
        closing(Store(settings.resolved_database_url)) as store,
        count_progress("structures", console) as show,
    ):
        store.migrate()

        def tell(record: ImportRecord, page: Page) -> None:
            show(record.n_read, page.total)
            for why, lines in (("skipped", page.skipped), ("unreadable", page.broken)):
                for line in lines:
                    console.print(f"{why}: {line!r}", markup=False, highlight=False, soft_wrap=True)

        record = run_import(store, opened, tell, group=group, label=label, limit=limit, restart=restart)
    if as_json:
        print_json(asdict(record))
        return
    typer.echo(
        f"{record.n_read:,} structures read: {record.n_new:,} new, {record.n_known:,} known before, "
        f"{record.n_skipped:,} skipped, {record.n_broken:,} unreadable."
    )


@app.command("list")
def list_all(as_json: Json = False) -> None:
    """Show all imports, the latest first: how far each has come, and when."""
    from service.jobs import list_imports
    from service.store import Store

    with closing(Store(Settings().resolved_database_url)) as store:
        store.migrate()
        records = list_imports(store)
    if as_json:
        print_json([asdict(record) for record in records])
        return
    table = Table(*_COLUMNS, box=SIMPLE_HEAD)
    for record in records:
        table.add_row(*map(str, _row(record)))
    Console().print(table)


def _row(record: ImportRecord) -> tuple[Any, ...]:
    """What is shown of an import, in the order of the columns."""
    return (
        record.source,
        record.selection,
        record.group,
        "finished" if record.is_finished else "broken off or running",
        record.n_new,
        record.n_known,
        record.n_skipped,
        record.n_broken,
        *(f"{time:%Y-%m-%d %H:%M}" for time in (record.started_at, record.updated_at)),
    )
