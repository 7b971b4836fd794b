"""Results of a benchmark: tables for the terminal and in Markdown, and everything as JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table as RichTable

from rmatch.output import make_console, print_json

if TYPE_CHECKING:
    from rm_engine.evaluation.intervals import Estimate

_WIDTH: Final = 140


@dataclass(frozen=True)
class Table:
    """A table as text; the first column is words, the others are figures."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]

    def to_rich(self) -> RichTable:
        """For the terminal."""
        table = RichTable(title=self.title, title_justify="left", box=SIMPLE_HEAD, title_style="bold", pad_edge=False)
        for place, name in enumerate(self.columns):
            table.add_column(name, justify="right" if place else "left")
        for row in self.rows:
            table.add_row(*row)
        return table

    def to_markdown(self) -> str:
        """For documents."""
        lines = [self.columns, ["---", *["---:"] * (len(self.columns) - 1)], *self.rows]
        return f"**{self.title}**\n\n" + "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def make_wide_console(*, as_json: bool) -> Console:
    """Where people read, wide enough for the tables where the width is not that of a terminal."""
    console = make_console(as_json=as_json)
    return console if console.is_terminal else Console(stderr=as_json, width=_WIDTH)


def show_results(results: dict[str, Any], tables: Sequence[Table], console: Console, *, as_json: bool) -> None:
    """Print tables for people, or all results for programs."""
    if as_json:
        print_json(without_nan(results))
        return
    for table in tables:
        console.print(table.to_rich())


def write_results(folder: Path, results: dict[str, Any], tables: Sequence[Table]) -> None:
    """Write ``results.json`` and ``results.md``."""
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(without_nan(results), indent=1, ensure_ascii=False, allow_nan=False)
    (folder / "results.json").write_text(text + "\n", encoding="utf-8")
    (folder / "results.md").write_text("\n".join(table.to_markdown() for table in tables), encoding="utf-8")


def percent(estimate: Estimate) -> str:
    """A share with its interval in percent, e.g. ``52.0 (38-65)``."""
    value, low, high = (100 * share for share in (estimate.value, estimate.low, estimate.high))
    return f"{value:.1f} ({low:.0f}-{high:.0f})" if estimate.n else ""


def number(estimate: Estimate, digits: int) -> str:
    """A figure with its interval, e.g. ``0.064 (0.051-0.078)``."""
    value, low, high = (f"{figure:.{digits}f}" for figure in (estimate.value, estimate.low, estimate.high))
    return f"{value} ({low}-{high})" if estimate.n else ""


def without_nan(value: Any) -> Any:  # noqa: ANN401  # any JSON value
    """The same with null for what could not be measured; JSON knows no NaN."""
    if isinstance(value, dict):
        return {key: without_nan(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [without_nan(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
