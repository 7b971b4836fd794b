"""``rmatch worker``."""

from __future__ import annotations

from typing import Annotated

import typer


def worker(log_level: Annotated[str, typer.Option(help="DEBUG, INFO, WARNING or ERROR.")] = "INFO") -> None:
    """Run chunks of jobs until stopped; start as many workers as there are cores or GPUs to use."""
    from worker.app import run_worker

    run_worker(log_level)
