"""``python -m storm``: a storm of any length, its figures as a table and as JSON."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from storm.campaign import run_storm


def main(
    faults: Annotated[int, typer.Option(help="How many faults happen.")] = 27,
    seed: Annotated[int, typer.Option(help="Of the faults and of what the clients do.")] = 0,
    output: Annotated[Path | None, typer.Option(help="File for the figures, as JSON.")] = None,
    keep: Annotated[Path | None, typer.Option(help="Folder for the clients' history and the processes' logs.")] = None,
) -> None:
    """Let everything die that can, and count what is lost."""
    console = Console()
    with tempfile.TemporaryDirectory(prefix="rmatch-storm-") as scratch:
        folder = keep or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        report = run_storm(
            faults, seed, folder, lambda number, kind: console.print(f"[dim]{number:4d}/{faults}[/dim] {kind}")
        )
    table = Table(title=f"Storm of seed {seed}", show_header=False)
    for row in report.to_rows():
        table.add_row(*row)
    console.print(table)
    for violation in report.violations:
        console.print(f"[red]{violation.rule}[/red] {violation.subject}: {violation.detail}", soft_wrap=True)
    if output is not None:
        output.parent.mkdir(parents=True, exist_ok=True)
        output.write_text(report.to_json(), encoding="utf-8")
    raise typer.Exit(1 if report.violations else 0)


typer.run(main)
