"""What a benchmark says: a figure, its goal, and whether it is reached; for a terminal, as JSON and as a table."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any, Final, Self

import ase
import torch

BEGIN: Final = "<!-- figures: begin -->"
END: Final = "<!-- figures: end -->"


@dataclass(frozen=True)
class Row:
    """One figure.

    Attributes:
        name: what was measured.
        value: the figure.
        goal: what it should reach; None for what is measured beside, to compare.
        unit: of both.
        at_least: whether more is better; otherwise less is.
        note: how it was measured.
        samples: the measurements that ``value`` is the median of; empty where it was measured once.
    """

    name: str
    value: float
    goal: float | None
    unit: str
    at_least: bool
    note: str
    samples: tuple[float, ...] = ()

    @classmethod
    def of(
        cls, samples: Iterable[float], *, name: str, goal: float | None, unit: str, at_least: bool, note: str
    ) -> Self:
        """The row of the median of some measurements."""
        taken = tuple(samples)
        return cls(name, median(taken), goal, unit, at_least, note, taken)

    @property
    def is_reached(self) -> bool | None:
        """Whether the figure is as good as its goal; None without a goal."""
        if self.goal is None:
            return None
        return self.value >= self.goal if self.at_least else self.value <= self.goal

    @property
    def measured(self) -> str:
        """The figure with its unit."""
        return f"{show(self.value)} {self.unit}".rstrip()

    @property
    def target(self) -> str:
        """The goal in words, empty without one."""
        return "" if self.goal is None else f"{'>=' if self.at_least else '<='} {self.goal:,g} {self.unit}".rstrip()

    @property
    def verdict(self) -> str:
        """Reached, or by how much not; empty without a goal."""
        if self.goal is None:
            return ""
        if self.is_reached:
            return "reached"
        low, high = sorted((self.value, self.goal))
        return f"MISSED by a factor of {high / low:.3g}" if low > 0 else "MISSED"

    @property
    def spread(self) -> str:
        """Least and largest measurement and their number, empty where there was only one."""
        if len(self.samples) < 2:
            return ""
        return f"{show(min(self.samples))} to {show(max(self.samples))}, {len(self.samples)} runs"

    def __str__(self) -> str:
        spread = f" [{self.spread}]" if self.spread else ""
        goal = f" (goal {self.target}: {self.verdict})" if self.goal is not None else ""
        return f"{self.name}: {self.measured}{spread}{goal}\n    {self.note}"


def show(value: float) -> str:
    """Three digits, with separators for thousands."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


@dataclass(frozen=True)
class Environment:
    """The machine, the date and the versions that figures belong to."""

    date: str
    machine: str
    n_cores: int
    load: float
    versions: dict[str, str]

    @classmethod
    def here(cls) -> Self:
        """That of this process."""
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        names = (line.split(":", 1)[1].strip() for line in lines if "model name" in line)
        return cls(
            date=f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
            machine=next(names, platform.processor()),
            n_cores=os.cpu_count() or 1,
            load=round(os.getloadavg()[0], 1),
            versions={"Python": platform.python_version(), "torch": torch.__version__, "ASE": ase.__version__},
        )

    def __str__(self) -> str:
        versions = ", ".join(f"{name} {version}" for name, version in self.versions.items())
        return f"{self.date}, {self.machine}, {self.n_cores} cores, load {self.load} before, {versions}"


def to_json(environment: Environment, rows: Sequence[Row]) -> dict[str, Any]:
    """Everything as plain values."""
    verdicts = ({"verdict": row.verdict, "spread": row.spread} for row in rows)
    return {
        "environment": asdict(environment),
        "rows": [asdict(row) | more for row, more in zip(rows, verdicts, strict=True)],
    }


def to_markdown(environment: Environment, rows: Sequence[Row]) -> str:
    """A table, with the environment above and how each figure was measured below."""
    lines = [
        f"{environment}. Medians, with the least and the largest of the runs.",
        "",
        "| | what | measured | goal | |",
        "|--:|---|---|---|---|",
    ]
    lines += [
        f"| {number} | {row.name} | **{row.measured}**{f' ({row.spread})' if row.spread else ''} "
        f"| {row.target} | {row.verdict} |"
        for number, row in enumerate(rows, start=1)
    ]
    notes = [f"{number}. {row.note}" for number, row in enumerate(rows, start=1)]
    return "\n".join([*lines, "", "How each was measured:", "", *notes])


def replace_figures(path: Path, table: str) -> None:
    """Put a table between the two markers of a document, and leave the rest as it is.

    Raises:
        ValueError: the document has no such place.
    """
    text = path.read_text()
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{path} has no place for figures: it needs the lines {BEGIN} and {END}.")
    path.write_text(f"{before}{BEGIN}\n{table}\n{END}{after}")
