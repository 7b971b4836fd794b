"""A progress bar for what is counted."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn


@contextmanager
def count_progress(name: str, console: Console) -> Iterator[Callable[[int, int | None], None]]:
    """A bar while the block runs, in a terminal.

    What it gives is called with what is done and, where that is known, what there is to do.
    """
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, TimeRemainingColumn(), console=console, disable=not console.is_terminal) as progress:
        bar = progress.add_task(name, total=None)

        def report(done: int, total: int | None) -> None:
            progress.update(bar, completed=done, total=total)

        yield report
