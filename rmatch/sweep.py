"""``rmatch sweep``."""

from __future__ import annotations

import signal
import threading
from typing import Annotated

import typer

from service.settings import Settings


def sweep(once: Annotated[bool, typer.Option("--once", help="One pass instead of a loop.")] = False) -> None:
    """Wake workers up for chunks that are queued, or whose worker fell silent; one sweeper is enough."""
    from worker.sweeper import run_sweeper

    stopped = threading.Event()
    if once:
        stopped.set()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    run_sweeper(Settings(), stopped)
