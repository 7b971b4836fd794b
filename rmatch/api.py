"""``rmatch api``."""

from __future__ import annotations

from typing import Annotated

import typer

from service.settings import Settings


def api(
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on.")] = None,
) -> None:
    """Serve the REST API."""
    import uvicorn

    from service.main import create_app

    given = {"host": host, "port": port}
    settings = Settings().model_copy(update={name: value for name, value in given.items() if value is not None})
    app = create_app(settings)  # knows where it will listen, and refuses to where that is not safe
    # no logging of its own: every line goes the way that create_app has prepared
    uvicorn.run(app, host=settings.host, port=settings.port, log_config=None, access_log=False, server_header=False)
