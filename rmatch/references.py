"""``rmatch references``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from service.settings import Settings

app = typer.Typer(no_args_is_help=True, help="Known structures, with which results are compared.")


@app.callback()
def references() -> None:
    """Known structures, with which results are compared."""


@app.command("import")
def import_references(
    path: Annotated[
        Path, typer.Argument(help="A CIF, POSCAR, extxyz or MP-20 CSV file, also .gz, or a folder of CIF files.")
    ],
    source: Annotated[str, typer.Option(help="Where the structures come from; the file name by default.")] = "",
) -> None:
    """Add the structures of a file to the known ones; those already known stay as they are."""
    from rm_engine.files import read_structures, to_json
    from service.domain import Reference
    from service.jobs import add_references
    from service.store import Store

    items = [
        Reference(name=stored.name, atoms=to_json(stored.atoms), source=source or path.name)
        for stored in read_structures(path)
    ]
    store = Store(Settings().resolved_database_url)
    store.migrate()
    ids = add_references(store, items)
    store.close()
    typer.echo(f"{len(items)} structures read, {len(set(ids))} of them different.")
