"""What the benchmarks have in common: their options, and progress while they run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from rmatch.errors import CommandError

if TYPE_CHECKING:
    from rm_engine.evaluation.campaign import Campaign

Data = Annotated[Path, typer.Option(help="Folder of the data sets, or a file of structures of your own to measure on.")]
Output = Annotated[
    Path | None,
    typer.Option(
        "-o", "--output", help="Folder for results and records; a benchmark that was stopped goes on where it was."
    ),
]
Workers = Annotated[int, typer.Option(min=1, help="Processes; the results do not depend on it.")]
MaxAtoms = Annotated[int | None, typer.Option(min=1, help="Leave out structures of more atoms.")]


def find_file(data: Path, name: str) -> Path:
    """``data`` itself if it is a file, else the file of that name in it.

    Raises:
        CommandError: there is no such file.
    """
    path = data / name if data.is_dir() else data
    if not path.is_file():
        raise CommandError(
            f"There is no {path}. Give the folder that holds {name}, or a file of structures, as --data."
        )
    return path


def run_with_progress(
    name: str,
    campaign: Campaign[Any],
    describe: Callable[[dict[str, Any]], str],
    *,
    output: Path | None,
    n_workers: int,
    console: Console,
) -> list[dict[str, Any]]:
    """Run a campaign under a progress bar that says the score so far; records are kept in ``output``.

    Args:
        name: what the bar is called.
        campaign: what to do.
        describe: called with every result; gives the score so far.
        output: folder of ``records.jsonl``, None keeps no records.
        n_workers: processes.
        console: where the bar is shown.
    """
    import torch

    from rm_engine.evaluation.campaign import run_campaign
    from rm_engine.evaluation.journal import Journal

    torch.set_num_threads(1)  # as in every other process: results must not depend on how many there are
    journal = Journal(output / "records.jsonl" if output else None)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, TimeRemainingColumn(), console=console) as progress:
        bar = progress.add_task(name, total=len(campaign.tasks))

        def show(n_done: int, result: dict[str, Any]) -> None:
            progress.update(bar, completed=n_done, description=f"{name}  {describe(result)}")

        return run_campaign(campaign, journal=journal, n_workers=n_workers, on_result=show)
