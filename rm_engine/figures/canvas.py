"""How figures look, and saving them. Figures are made without pyplot, so nothing is shared between threads."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Final

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

INK: Final = "#1f2933"
FAINT: Final = "#9aa5b1"
BLUE: Final = "#2563a8"
ORANGE: Final = "#e07a1f"


def make_figure(width: float, height: float) -> Figure:
    """An empty figure of this size in inches, drawn on the Agg canvas."""
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def make_axes(width: float, height: float) -> tuple[Figure, Axes]:
    """A figure of this size in inches with one pair of axes."""
    figure = make_figure(width, height)
    axes = figure.add_subplot()
    style_axes(axes)
    return figure, axes


def style_axes(axes: Axes) -> None:
    """The look of all axes."""
    axes.spines[["top", "right"]].set_visible(False)
    for spine in axes.spines.values():
        spine.set_color(FAINT)
    axes.tick_params(color=FAINT, labelcolor=INK)


def save_figure(figure: Figure, path: Path) -> tuple[Path, Path]:
    """Write the figure as ``path`` with the suffix ``.png`` and ``.svg``: the same figure, the same files."""
    png, svg = path.with_suffix(".png"), path.with_suffix(".svg")
    write_figure(figure, png)
    write_figure(figure, svg)
    return png, svg


def write_figure(figure: Figure, path: Path) -> None:
    """Write the figure to ``path``, whose suffix, ``.svg`` or another, says as what."""
    with mpl.rc_context({"svg.hashsalt": "rmatch"}):  # names within the file would be random otherwise
        if path.suffix == ".svg":
            figure.savefig(path, metadata={"Date": None})
            return
        drawn = BytesIO()
        figure.savefig(drawn, dpi=200, format="png")
    # 256 colours are enough for any of the figures, and take a third of the space.
    Image.open(drawn).convert("RGB").quantize(256, dither=Image.Dither.NONE).save(path, optimize=True)
