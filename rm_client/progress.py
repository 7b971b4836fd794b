"""A progress bar for a job."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from rm_client.answers import JobItem


@contextmanager
def show_progress(*, shown: bool) -> Iterator[Callable[[JobItem], None]]:
    """A bar on standard error while the block runs; what it gives is called with the job as it goes on."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), disable=not shown) as progress:
        bar = progress.add_task("", total=None)

        def show(job: JobItem) -> None:
            description = f"{job.spec.get('composition', job.model)} {job.state}"
            progress.update(bar, description=description, completed=job.counts.finished, total=job.counts.requested)

        yield show
