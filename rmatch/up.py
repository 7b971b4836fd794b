"""``rmatch up``."""

from __future__ import annotations

import signal
import threading
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from rmatch.embedded import find_port, run_service
from service.security import are_keys_on
from service.settings import Settings

_EXAMPLES = """
[bold]rmatch answers on {url}[/bold] (documentation: {url}/docs), data in {data_dir}. Ctrl-C stops it. Try:

  curl -s {url}/generate -H 'Content-Type: application/json' -d '{{"composition": "LiS2", "n": 30}}'
  curl -s {url}/jobs
  curl -s '{url}/structures?composition=LiS2&sort=energy'
  curl -s '{url}/structures?hull=true'
"""


def up(
    port: Annotated[
        int | None, typer.Option(help="Port of the API; by default 8000, or another where that is taken.")
    ] = None,
    data_dir: Annotated[Path | None, typer.Option(help="Where everything is kept.")] = None,
) -> None:
    """Run the whole service in one command: database, queue, API, worker and sweeper."""
    settings = Settings() if data_dir is None else Settings(data_dir=data_dir)
    console = Console()
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())

    def report(command: str, status: int) -> None:
        console.print(f"[yellow]rmatch {command} ended with status {status}; starting it again.[/yellow]")

    settings.data_dir.mkdir(parents=True, exist_ok=True)
    candidates = (settings.port, 0) if port is None else (port,)
    with run_service(settings, find_port(settings.host, *candidates), on_restart=report) as service:
        if are_keys_on(settings):
            console.print(
                "Requests need a key, as `-H 'Authorization: Bearer KEY'`: `rmatch keys create NAME` makes one."
            )
        console.print(
            _EXAMPLES.format(url=service.url, data_dir=settings.data_dir.absolute()), highlight=False, soft_wrap=True
        )
        while not stopped.wait(0.5):
            service.keep_alive()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: service.ask_to_stop())
        console.print(
            f"Stopping: a chunk in work has {settings.soft_shutdown_seconds:g} s; what is not done by then, or when "
            "Ctrl-C comes again, goes on at the next start."
        )
