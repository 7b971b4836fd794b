"""The map of the elements that a model has made for itself."""

from __future__ import annotations

from bisect import bisect_right
from typing import Final

import matplotlib as mpl
import numpy as np
from ase.data import covalent_radii
from matplotlib.axes import Axes
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from rm_engine.evaluation.embedding import ACTINIDE, LANTHANIDE, PERIOD_STARTS, ElementMap, find_group
from rm_engine.figures.canvas import FAINT, INK, make_axes
from rm_engine.figures.labels import spread_labels
from rm_engine.units import ATOMIC_NUMBERS

Values = NDArray[np.float64]

_AREA_PER_RADIUS2: Final = 110.0
"""Points² of a disc per Å² of covalent radius."""
_LETTER: Final = (5.6, 8.4)
"""Width of a letter and height of a label, points."""
_PASTEL: Final = 0.45
"""Share of white in the colours, so that labels can be read on them."""
_FAR: Final = 6.5
"""Points; a label that had to move farther gets a line."""
_CROWD: Final = 0.25
_LAST: Final = 103
"""Lawrencium ends the table."""


def plot_elements(elements: ElementMap, title: str) -> Figure:
    """Draw the first two principal components of the embedding: discs coloured by group, sized by covalent radius.

    Beside the whole map, where it is most crowded is drawn larger.

    Args:
        elements: from :func:`rm_engine.evaluation.embedding.map_elements`.
        title: name of the model.
    """
    figure, axes = make_axes(9.6, 5.6)
    engine = figure.get_layout_engine()
    if engine is not None:
        engine.set(rect=(0, 0, 0.99, 1))  # type: ignore[call-arg]  # of the constrained layout; leaves room at the right
    table, crowd = axes.inset_axes((1.04, 0.74, 0.48, 0.26)), axes.inset_axes((1.04, 0.0, 0.48, 0.68))
    _draw_table(table)
    low, high = find_crowd(elements.plane)
    inside = ((elements.plane >= low) & (elements.plane <= high)).all(axis=1)
    axes.margins(0.06)
    crowd.spines[:].set_color(FAINT)
    crowd.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]), xticks=[], yticks=[])
    for panel, labelled in ((axes, ~inside), (crowd, inside)):
        _draw_discs(panel, elements)
        _label(figure, panel, elements, np.flatnonzero(labelled))
    axes.indicate_inset_zoom(crowd, edgecolor=FAINT)
    share = [f"{100 * part:.0f} %" for part in elements.explained]
    axes.set_xlabel(f"first principal component ({share[0]} of the variance)", color=INK)
    axes.set_ylabel(f"second principal component ({share[1]})", color=INK)
    axes.set_title(f"The elements as {title} sees them", color=INK, loc="left", weight="bold", pad=12)
    return figure


def find_crowd(points: Values) -> tuple[Values, Values]:
    """Lower and upper corner (2,) of the window, a quarter of the map wide and high, that holds the most points."""
    size = np.ptp(points, axis=0) * _CROWD
    corners = np.stack(np.meshgrid(*points.T), axis=-1).reshape(-1, 2)
    inside = ((points >= corners[:, None]) & (points <= corners[:, None] + 0.85 * size)).all(axis=2)
    held = points[inside[inside.sum(axis=1).argmax()]]
    low = (held.min(axis=0) + held.max(axis=0) - size) / 2
    return low, low + size


def color_of_group(group: str) -> str:
    """A light colour for a group of :func:`rm_engine.evaluation.embedding.find_group`."""
    f_block = {LANTHANIDE: "#c9b79c", ACTINIDE: "#a08c72"}
    strong = f_block.get(group) or mpl.colormaps["turbo"](0.95 - 0.9 * (int(group) - 1) / 17)
    red, green, blue = (_PASTEL + (1 - _PASTEL) * part for part in to_rgb(strong))
    return to_hex((red, green, blue))


def _draw_discs(axes: Axes, elements: ElementMap) -> None:
    radii = covalent_radii[[ATOMIC_NUMBERS[symbol] for symbol in elements.symbols]]
    order = np.argsort(-radii, kind="stable")  # small discs lie on large ones
    axes.scatter(
        elements.plane[order, 0],
        elements.plane[order, 1],
        s=_AREA_PER_RADIUS2 * radii[order] ** 2,
        c=[color_of_group(elements.groups[row]) for row in order],
        edgecolors="white",
        linewidths=0.7,
    )


def _label(figure: Figure, axes: Axes, elements: ElementMap, rows: NDArray[np.int64]) -> None:
    """Write symbols on the discs, or beside them with a line where the discs are too close."""
    figure.draw_without_rendering()  # fixes the layout, so that labels can be placed in points
    homes = axes.transData.transform(elements.plane[rows]) * 72 / figure.dpi
    symbols = [elements.symbols[row] for row in rows]
    sizes = np.array([(_LETTER[0] * len(symbol) + 1.5, _LETTER[1]) for symbol in symbols])
    offsets = spread_labels(homes, sizes) - homes
    for symbol, point, offset in zip(symbols, elements.plane[rows], offsets, strict=True):
        line = {"arrowstyle": "-", "color": FAINT, "linewidth": 0.6, "shrinkA": 3, "shrinkB": 0}
        axes.annotate(
            symbol,
            point,
            offset,
            textcoords="offset points",
            ha="center",
            va="center",
            fontsize=8,
            color=INK,
            arrowprops=line if np.hypot(*offset) > _FAR else None,
        )


def _draw_table(axes: Axes) -> None:
    """A small periodic table as the legend of the colours."""
    axes.set(xlim=(0.5, 18.5), ylim=(9.9, 0.4), aspect="equal", anchor="NW")
    axes.axis("off")
    for symbol, number in ATOMIC_NUMBERS.items():
        if number <= _LAST:
            group = find_group(symbol)
            row, column = _find_cell(number, group)
            side = 0.9
            axes.add_patch(
                Rectangle((column - side / 2, row - side / 2), side, side, color=color_of_group(group), linewidth=0)
            )


def _find_cell(number: int, group: str) -> tuple[float, int]:
    """Row and column of an element in the table; the f block has two rows of its own below."""
    for row, name, first in ((8.4, LANTHANIDE, 57), (9.4, ACTINIDE, 89)):
        if group == name:
            return row, number - first + 3
    return bisect_right(PERIOD_STARTS, number), int(group)
