"""``rmatch api``."""

from __future__ import annotations

from typing import Annotated

import typer

from rmatch.startup import without_collections
from service.settings import Settings


def api(
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on.", min=0, max=65535)] = None,
) -> None:
    """Serve the REST API."""
    given = {"host": host, "port": port}
    settings = Settings().model_copy(update={name: value for name, value in given.items() if value is not None})
    with without_collections():
        from rmatch.server import serve
        from service.main import create_app

        app = create_app(settings)  # it knows where it will listen, and refuses to where that is not safe
    serve(app, settings)
