"""What the figures of ``rmatch figure`` are asked for, and what they give."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rmatch.benchmark.report import Table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from rm_engine.checkpoint import Model

Report = Callable[[int, int], None]
"""Called with what is done and what there is to do."""


@dataclass(frozen=True)
class Request:
    """What a figure is drawn from.

    Attributes:
        model: the model.
        model_name: its name or path, as the user gave it.
        data: folder of the data sets, None where it was not given.
        n: how many structures to search, None for the figure's own number.
        seed: seed of everything random.
        report: called as the work goes on.
    """

    model: Model
    model_name: str
    data: Path | None
    n: int | None
    seed: int
    report: Report


@dataclass(frozen=True)
class Drawing:
    """A figure and the numbers behind it.

    Attributes:
        figure: the picture.
        numbers: plain values for JSON.
        tables: what is worth reading at once.
        remarks: lines to say below the tables.
    """

    figure: Figure
    numbers: dict[str, Any]
    tables: Sequence[Table]
    remarks: Sequence[str] = ()


def write_drawing(drawing: Drawing, folder: Path, number: int, model: Model, seed: int) -> tuple[Path, ...]:
    """Write ``figureN.png``, ``figureN.svg`` and ``figureN.json``; returns their paths."""
    from rm_engine.evaluation.provenance import describe_programs
    from rm_engine.figures import save_figure

    folder.mkdir(parents=True, exist_ok=True)
    pictures = save_figure(drawing.figure, folder / f"figure{number}")
    made_with = {
        "figure": number,
        "model": model.card.name,
        "energy_kind": model.card.energy_kind,
        "seed": seed,
        "programs": describe_programs(),
    }
    numbers = folder / f"figure{number}.json"
    text = json.dumps({**made_with, **drawing.numbers}, ensure_ascii=False, allow_nan=False)
    numbers.write_text(text + "\n", encoding="utf-8")
    return (*pictures, numbers)
