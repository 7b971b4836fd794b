"""Results of a search as they come."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from rm_engine.spec import ModelCard
from rmatch.tables import found_table

if TYPE_CHECKING:
    from rm_engine import GeneratedStructure

Show = Callable[["GeneratedStructure"], None]


@contextmanager
def show_table(composition: str, n: int, card: ModelCard, console: Console) -> Iterator[Show]:
    """A table of the lowest structures so far and a bar of how many there are, while the block runs.

    Gives what is to be called with each structure.
    """
    found: list[GeneratedStructure] = []
    bar = Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), console=console
    )
    task = bar.add_task(composition, total=n)

    def render() -> Group:
        lowest = sorted(found, key=lambda item: item.ranking_energy)
        return Group(found_table(lowest, card), bar) if found else Group(bar)

    with Live(get_renderable=render, console=console, transient=True) as live:

        def show(item: GeneratedStructure) -> None:
            found.append(item)
            bar.update(task, completed=len(found))
            if len(found) == 1:
                live.refresh()

        yield show


def print_lines(n: int, console: Console) -> Show:
    """A line for each structure that it is called with: for logs and pipes."""
    n_found = 0

    def show(item: GeneratedStructure) -> None:
        nonlocal n_found
        n_found += 1
        formula, energy = item.atoms.get_chemical_formula(), item.ranking_energy
        line = f"{n_found}/{n}: sample {item.sample}, {formula}, {energy:.5f}, {item.start} start, {item.n_steps} steps"
        console.print(line, highlight=False, soft_wrap=True)

    return show
