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

    settings = Settings()
    uvicorn.run(
        "service.main:create_app",
        factory=True,
        host=host or settings.host,
        port=settings.port if port is None else port,
        access_log=False,
    )
