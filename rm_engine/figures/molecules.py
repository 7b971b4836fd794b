"""Molecules: shares that pass checks as a heat map, and pictures of some."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
from ase.data import covalent_radii
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Circle

from rm_engine.evaluation.molecules import COLUMNS, MoleculeRecord
from rm_engine.figures.canvas import FAINT, INK, make_figure

_COLORS: Final = {1: "#ffffff", 6: "#2b2b2b", 7: "#2f62d9", 8: "#d62f2f", 16: "#e6c229", 17: "#35a852"}
"""The paper's: carbon black, oxygen red, nitrogen blue, sulfur yellow, chlorine green, hydrogen white."""
_OTHER: Final = "#9467bd"
_PER_ROW: Final = 6
_LINES: Final = {1: (0.0,), 2: (-0.09, 0.09), 3: (-0.16, 0.0, 0.16)}
"""Where the lines of a bond run beside its axis, Å, by its order."""


def plot_molecules(
    rows: Mapping[str, Mapping[str, float]], pictured: Sequence[tuple[str, MoleculeRecord]], title: str
) -> Figure:
    """Draw the shares of molecules that pass, and some molecules below.

    Args:
        rows: for each row by its label, the share from 0 to 1 of each of ``COLUMNS``.
        pictured: molecules with what is written below each.
        title: name of the model.
    """
    n_lines = -(-len(pictured) // _PER_ROW)
    heights = [0.32 * len(rows) + 1.4, 1.6 * n_lines]
    figure = make_figure(9.6, sum(heights))
    upper, *lower = figure.subfigures(
        2 if pictured else 1, 1, height_ratios=heights[: 2 if pictured else 1], squeeze=False
    )[:, 0]
    _draw_map(upper.subplots(), rows, title)
    for below in lower:
        panels = below.subplots(n_lines, _PER_ROW, squeeze=False).ravel()
        for axes in panels:
            axes.set_axis_off()
        for axes, (label, record) in zip(panels, pictured, strict=False):
            _draw_molecule(axes, record)
            axes.annotate(label, (0.5, 0.0), xycoords="axes fraction", ha="center", va="top", color=INK, fontsize=7)
    return figure


def _draw_map(axes: Axes, rows: Mapping[str, Mapping[str, float]], title: str) -> None:
    shares = np.array([[100 * row[column] for column in COLUMNS] for row in rows.values()])
    axes.imshow(shares, cmap="YlGnBu", vmin=0, vmax=100, aspect="auto")
    for (y, x), share in np.ndenumerate(shares):
        axes.text(x, y, f"{share:.0f}", ha="center", va="center", fontsize=8, color="white" if share > 60 else INK)
    names = [column.replace("_", " ") for column in COLUMNS]
    axes.set_xticks(range(len(COLUMNS)), names, rotation=35, ha="left", fontsize=8, color=INK)
    axes.set_yticks(range(len(rows)), list(rows), fontsize=8, color=INK)
    axes.tick_params(length=0, top=True, labeltop=True, bottom=False, labelbottom=False)
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.set_xlabel(f"% of molecules on {title} that pass PoseBusters' checks", color=INK, fontsize=9)


def _draw_molecule(axes: Axes, record: MoleculeRecord) -> None:
    """Balls and sticks, seen along the direction in which the molecule is thinnest."""
    positions = np.array(record.positions)
    centred = positions - positions.mean(axis=0)
    seen = centred @ np.linalg.svd(centred)[2].T
    depth = seen[:, 2]
    for first, second, order in record.report.bonds:
        start, end = seen[first, :2], seen[second, :2]
        along = (end - start) / max(1e-6, float(np.linalg.norm(end - start)))
        for offset in _LINES.get(order, (0.0,)):
            x, y = np.stack([start, end], axis=1) + (offset * np.array([-along[1], along[0]]))[:, None]
            axes.plot(x, y, color=FAINT, linewidth=1.6, zorder=float(depth[[first, second]].mean()))
    for number, (x, y), height in zip(record.numbers, seen[:, :2], depth, strict=True):
        ball = Circle((x, y), 0.45 * covalent_radii[number], zorder=float(height) + 0.05)
        ball.set(facecolor=_COLORS.get(number, _OTHER), edgecolor=INK, linewidth=0.5)
        axes.add_patch(ball)
    axes.set_aspect("equal")
    axes.margins(0.12)
