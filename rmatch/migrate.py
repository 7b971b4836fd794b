"""``rmatch migrate``."""

from __future__ import annotations

from contextlib import closing
from typing import Annotated

import typer

from rmatch.errors import CommandError
from rmatch.output import Json, print_json
from service.settings import Settings


def migrate(
    to: Annotated[
        str | None, typer.Option(help="Revision of the schema, such as 0004; the newest unless given.")
    ] = None,
    accept_losses: Annotated[
        bool, typer.Option("--accept-losses", help="Go down, although something is lost on the way.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Bring the database to the newest schema and add the known crystals that come with the package."""
    from service.jobs import seed_known_crystals
    from service.store import Store

    with closing(Store(Settings().resolved_database_url)) as store:
        losses = store.list_losses(to)
        if losses and not accept_losses:
            told = "\n".join(f"  - {loss}" for loss in losses)
            raise CommandError(f"On the way down to {to}:\n{told}\nSave the database, then give --accept-losses.")
        store.migrate(to)
        n_known = len(seed_known_crystals(store)) if to is None else None
    if as_json:
        print_json({"schema": to or "newest", "known_crystals": n_known})
    elif to is not None:
        typer.echo(f"The schema is {to}.")
    else:
        typer.echo(f"The schema is up to date, {n_known} known crystals are there.")
