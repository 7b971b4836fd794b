"""The convex hull as a picture: a line for two elements, a triangle for three, strips for any other number."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy.spatial import ConvexHull

from rm_engine.figures.canvas import BLUE, FAINT, INK, ORANGE, make_axes
from rm_engine.figures.phases import HullPoint, Phases, find_phases, write_formula
from rm_engine.spec.card import EnergyKind

Values = NDArray[np.float64]

_MARKERS: Final[dict[str, dict[str, Any]]] = {
    "duplicate": {"s": 16, "color": FAINT, "alpha": 0.55, "linewidths": 0, "zorder": 2},
    "new": {"s": 36, "facecolors": "white", "edgecolors": ORANGE, "linewidths": 1.5, "zorder": 4},
    "known": {"s": 54, "color": BLUE, "edgecolors": "white", "linewidths": 0.8, "zorder": 5},
    "element": {"s": 40, "color": INK, "marker": "s", "edgecolors": "white", "linewidths": 0.8, "zorder": 5},
}
_SHOWN: Final = 0.9
"""Quantile of the energies that sets the top of the picture: a few failures must not flatten the hull."""
_MOST_STRIPS: Final = 12


def plot_hull(
    points: Sequence[HullPoint], reference_energies: Mapping[str, float], energy_kind: EnergyKind = "pseudo"
) -> Figure:
    """Draw the convex hull of a chemical system.

    Two elements: excess energies and the hull over the composition. Three: a triangle of compositions, coloured by the
    distance of their lowest structure to the hull. Any other number: the distance of every structure, by composition.

    Args:
        points: the structures, at least one.
        reference_energies: energy per atom of the elements, as in :func:`rm_engine.analysis.excess_energies`.
        energy_kind: what all these energies are.

    Raises:
        InputError: the energy of an element is not known, or an energy is not finite.
    """
    phases = find_phases(points, reference_energies, energy_kind)
    n_elements = len(phases.elements)
    figure, axes = make_axes(6.4, 5.4) if n_elements == 3 else make_axes(7.0, 4.6)
    {2: _draw_line, 3: _draw_triangle}.get(n_elements, _draw_strips)(phases, axes)
    subject = f"{energy_kind} {'energies' if n_elements == 1 else 'energy hull'}".capitalize()
    axes.set_title(f"{subject} of {'–'.join(phases.elements)}", color=INK, loc="left", weight="bold", pad=12)
    return figure


def _draw_line(phases: Phases, axes: Axes) -> None:
    x = phases.fractions[:, 1]
    stable = sorted(phases.on_hull, key=lambda index: x[index])
    axes.axhline(0, color=FAINT, linewidth=0.8, linestyle=(0, (4, 3)), zorder=1)
    axes.plot(x[stable], phases.excess[stable], color=INK, linewidth=1.6, zorder=3)
    _scatter_kinds(phases, axes, x, phases.excess)
    for index in stable:
        label = write_formula(phases.formulas[index])
        axes.annotate(
            label,
            (x[index], phases.excess[index]),
            (0, -9),
            textcoords="offset points",
            ha="center",
            va="top",
            color=INK,
        )
    bottom = min(phases.excess[stable])
    _limit_height(axes, phases.excess, bottom)
    axes.set_xlim(-0.06, 1.06)
    first, second = phases.elements
    axes.set_xlabel(f"fraction of {second} in {first}$_{{1-x}}${second}$_x$", color=INK)
    axes.set_ylabel(f"excess {phases.energy_label}", color=INK)


def _draw_strips(phases: Phases, axes: Axes) -> None:
    """One strip per composition; points are spread sideways by a fixed pattern, the lowest is in the middle."""
    generated = {formula for formula, kind in zip(phases.formulas, phases.kinds, strict=True) if kind != "element"}
    shown = [formula for formula in phases.lowest if formula in generated][:_MOST_STRIPS]
    column = {formula: position for position, formula in enumerate(shown)}
    x = np.array([column.get(formula, np.nan) for formula in phases.formulas])
    spread = (np.arange(len(x)) * 0.618034 % 1 - 0.5) * 0.5
    spread[list(phases.lowest.values())] = 0.0
    axes.hlines(0, -0.5, len(shown) - 0.5, color=INK, linewidth=1.6, zorder=1)
    _scatter_kinds(phases, axes, x + spread, phases.above)
    _limit_height(axes, phases.above[~np.isnan(x)], 0.0)
    axes.set_xticks(range(len(shown)), [write_formula(formula) for formula in shown])
    axes.set_xlim(-0.5, len(shown) - 0.5)
    axes.set_ylabel(f"{phases.energy_label} above the hull", color=INK)


def _draw_triangle(phases: Phases, axes: Axes) -> None:
    corners = np.array([[0.0, 0.0], [1.0, 0.0], [0.5, np.sqrt(0.75)]])
    x, y = phases.triangle.T
    for line in _find_tie_lines(phases):
        axes.plot(x[line], y[line], color=FAINT, linewidth=0.9, zorder=1)
    axes.plot(*corners[[0, 1, 2, 0]].T, color=INK, linewidth=1.4, zorder=2)
    lowest = list(phases.lowest.values())[::-1]  # the most stable are drawn last, on top
    is_known = np.isin(phases.kinds[lowest], ["known", "element"])
    colored = axes.scatter(
        x[lowest],
        y[lowest],
        c=phases.above[lowest],
        cmap="viridis_r",
        vmin=0,
        vmax=max(float(np.quantile(phases.above[lowest], _SHOWN)), 1e-6),
        s=np.where(phases.above[lowest] == 0, 95, 50),
        edgecolors=[BLUE if known else ORANGE for known in is_known],
        linewidths=1.6,
        zorder=3,
    )
    for index in phases.on_hull:
        _label_outside(axes, write_formula(phases.formulas[index]), float(x[index]), float(y[index]))
    axes.figure.colorbar(colored, ax=axes, shrink=0.7, label=f"{phases.energy_label} above the hull")
    for color, label in ((BLUE, "known"), (ORANGE, "new")):
        axes.scatter([], [], s=60, facecolors="white", edgecolors=color, linewidths=1.6, label=label)
    axes.legend(frameon=False, loc="upper left")
    axes.set_aspect("equal")
    axes.axis("off")


def _label_outside(axes: Axes, label: str, x: float, y: float) -> None:
    """Write a label at a point of the triangle on the side that faces away from its middle."""
    outwards = np.array([x - 0.5, y - np.sqrt(0.75) / 3])
    outwards /= max(float(np.hypot(*outwards)), 1e-9)
    horizontal = "center" if abs(outwards[0]) < 0.3 else "left" if outwards[0] > 0 else "right"
    vertical = "center" if abs(outwards[1]) < 0.3 else "bottom" if outwards[1] > 0 else "top"
    offset = (8 * outwards[0], 8 * outwards[1])
    axes.annotate(label, (x, y), offset, textcoords="offset points", ha=horizontal, va=vertical, color=INK)


def _find_tie_lines(phases: Phases) -> list[list[int]]:
    """Pairs of stable points joined by an edge of the hull of three elements."""
    stable = phases.on_hull
    apex = np.array([[1 / 3, 1 / 3, 1.0 + abs(phases.excess).max()]])  # above the hull, so that it always has a volume
    corners = np.column_stack([phases.fractions[stable, :2], phases.excess[stable]])
    hull = ConvexHull(np.vstack([corners, apex]))
    facets = hull.simplices[hull.equations[:, 2] < -1e-9]
    edges = {
        (a, b) for facet in np.sort(facets, axis=1).tolist() for a, b in zip(facet, facet[1:] + facet[:1], strict=True)
    }
    return [[stable[a], stable[b]] for a, b in sorted({tuple(sorted(edge)) for edge in edges}) if b < len(stable)]


def _scatter_kinds(phases: Phases, axes: Axes, x: Values, y: Values) -> None:
    for kind, marker in _MARKERS.items():
        is_kind = phases.kinds == kind
        if is_kind.any():
            axes.scatter(x[is_kind], y[is_kind], label=f"{kind} ({is_kind.sum()})", **marker)
    axes.legend(frameon=False, loc="upper left", bbox_to_anchor=(1.0, 1.0), labelcolor=INK, reverse=True)


def _limit_height(axes: Axes, energies: Values, bottom: float) -> None:
    """Leave room for labels below, cut off what lies far above, and say how much that is."""
    top = max(float(np.quantile(energies, _SHOWN)), -0.25 * bottom, 1e-3)
    margin = 0.14 * (top - bottom)
    axes.set_ylim(bottom - margin, top + margin)
    n_hidden = int((energies > top + margin).sum())
    if n_hidden:
        axes.annotate(f"↑ {n_hidden} higher", (1.03, 0.7), xycoords="axes fraction", va="top", color=INK)
