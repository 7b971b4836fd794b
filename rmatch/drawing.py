"""The convex hull in the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import plotille

if TYPE_CHECKING:
    from rm_engine.figures import Phases

_HEIGHT: Final = 18
_MARGIN: Final = 22
"""Columns that the axes take."""
_MARKS: Final = {"duplicate": ("·", "white"), "new": ("o", "yellow"), "known": ("●", "blue"), "element": ("■", "white")}
LEGEND: Final = "   ".join(f"{mark} {kind}" for kind, (mark, _) in _MARKS.items())
_SHOWN: Final = 0.9
"""Quantile of the energies that sets the top: a few failures must not flatten the hull."""


def draw_hull(phases: Phases, width: int) -> str:
    """Two elements: excess energies and the hull over the composition. Three: the triangle of compositions with the
    lowest structure of each. Any other number has no picture in a terminal, and gives an empty text.

    Args:
        phases: what to draw.
        width: columns.
    """
    draw = {2: _draw_line, 3: _draw_triangle}.get(len(phases.elements))
    return draw(phases, max(20, width - _MARGIN)) if draw else ""


def _draw_line(phases: Phases, width: int) -> str:
    x, excess = phases.fractions[:, 1], phases.excess
    stable = sorted(phases.on_hull, key=lambda index: x[index])
    bottom = excess[stable].min()
    top = max(float(np.quantile(excess, _SHOWN)), -0.25 * bottom, 1e-3)
    row = (top - bottom) / _HEIGHT
    figure = plotille.Figure()
    figure.width, figure.height = width, _HEIGHT
    figure.color_mode, figure.origin = "names", False
    figure.set_x_limits(-0.02, 1.08)
    figure.set_y_limits(bottom - 2 * row, top + row)
    figure.register_label_formatter(float, _write_number)
    figure.x_label, figure.y_label = phases.elements[1], "excess"
    figure.plot(x[stable].tolist(), excess[stable].tolist())
    for kind, (mark, color) in _MARKS.items():
        chosen = (phases.kinds == kind) & (excess <= top)
        figure.scatter(x[chosen].tolist(), excess[chosen].tolist(), lc=color, marker=mark)
    for index in stable:
        figure.text([x[index]], [excess[index] - row], [phases.formulas[index]])
    return str(figure.show())


def _draw_triangle(phases: Phases, width: int) -> str:
    x, y = phases.triangle.T
    canvas = plotille.Canvas(width, _HEIGHT, -0.05, -0.08, 1.15, 0.95, mode="names", full_reset=False)
    corners = [(0.0, 0.0), (1.0, 0.0), (0.5, 0.75**0.5)]
    for start, end in zip(corners, corners[1:] + corners[:1], strict=True):
        canvas.line(*start, *end)
    for index in reversed(phases.lowest.values()):  # the most stable are drawn last, on top
        mark, color = _MARKS[phases.kinds[index]]
        label = f"{mark} {phases.formulas[index]}" if phases.above[index] == 0 else mark
        canvas.text(x[index], y[index], label, color=color)
    return str(canvas.plot())


def _write_number(value: float, chars: int, delta: float, left: bool = False) -> str:
    """A number beside an axis; the axis says how wide and at which side."""
    del delta
    text = f"{value:.2f}"
    return text.ljust(chars) if left else text.rjust(chars)
