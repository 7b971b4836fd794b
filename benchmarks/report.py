"""What a benchmark says: a figure, its goal, and whether it is reached."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import ase
import torch


@dataclass(frozen=True)
class Row:
    """One figure.

    Attributes:
        name: what was measured.
        value: the figure.
        goal: what it should reach.
        unit: of both.
        at_least: whether more is better; otherwise less is.
        note: how it was measured, and the spread.
    """

    name: str
    value: float
    goal: float
    unit: str
    at_least: bool
    note: str

    def __str__(self) -> str:
        sign = ">=" if self.at_least else "<="
        reached = self.value >= self.goal if self.at_least else self.value <= self.goal
        miss = max(self.value, self.goal) / min(self.value, self.goal)
        verdict = "reached" if reached else f"MISSED by a factor of {miss:.2f}"
        measured = f"{self.value:.3g} {self.unit} (goal {sign} {self.goal:g} {self.unit}: {verdict})"
        return f"{self.name}: {measured}\n    {self.note}"


def describe_environment() -> str:
    """The machine, the date and the versions that the figures belong to."""
    model = next(
        (
            line.split(":", 1)[1].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if "model name" in line
        ),
        platform.processor(),
    )
    load = os.getloadavg()[0]
    return (
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, {model}, {os.cpu_count()} cores, load {load:.1f}, "
        f"Python {platform.python_version()}, torch {torch.__version__}, ASE {ase.__version__}"
    )
