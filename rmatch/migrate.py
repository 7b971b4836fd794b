"""``rmatch migrate``."""

from __future__ import annotations

import typer

from service.settings import Settings


def migrate() -> None:
    """Bring the database to the newest schema and add the known crystals that come with the package."""
    from service.jobs import seed_known_crystals
    from service.store import Store

    store = Store(Settings().resolved_database_url)
    store.migrate()
    n_known = len(seed_known_crystals(store))
    store.close()
    typer.echo(f"The schema is up to date, {n_known} known crystals are there.")
