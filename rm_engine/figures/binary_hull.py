"""The hull of two elements with the known structures marked by name."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any, Final

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from rm_engine.evaluation.binary_hull import BinaryHull, HullEntry
from rm_engine.figures.canvas import FAINT, INK, make_axes
from rm_engine.figures.phases import write_formula

_SHAPES: Final = "osD^vPX"
_HEADROOM: Final = 0.6
"""How far above zero the picture reaches, in units of the depth of the hull."""
_ENERGY: Final = {
    "pseudo": "pseudo excess energy per atom",
    "formation": "formation energy per atom, estimated (eV)",
}


def plot_binary_hull(
    hull: BinaryHull, in_training: Mapping[str, bool], title: str, *, energy_kind: str = "pseudo"
) -> Figure:
    """Draw excess energies over the composition, and the hull.

    Args:
        hull: from :func:`rm_engine.evaluation.binary_hull.survey_binary`.
        in_training: whether the model has seen each of the known crystals, by name.
        title: name of the model.
        energy_kind: ``pseudo`` or ``formation``, as the model's card says.
    """
    figure, axes = make_axes(8.2, 5.0)
    others = [entry for entry in hull.entries if entry.is_generated and not entry.known_as]
    missed = [entry for entry in hull.entries if not entry.is_generated and entry.known_as[0] not in hull.found]
    axes.axhline(0, color=FAINT, linewidth=0.8, linestyle=(0, (4, 3)), zorder=1)
    _scatter(axes, others, f"generated, not known ({len(others)})", s=9, color=FAINT, alpha=0.5, linewidths=0, zorder=2)
    if missed:
        _scatter(
            axes, missed, f"known, not found ({len(missed)})", s=20, color=INK, marker="x", linewidths=0.8, zorder=3
        )
    corners = [(0.0, 0.0), *((entry.fraction, entry.excess) for entry in hull.stable), (1.0, 0.0)]
    axes.plot(*zip(*corners, strict=True), color=INK, linewidth=1.5, zorder=4)
    _mark_found(axes, hull, in_training)
    for entry in hull.stable:
        axes.annotate(
            write_formula(entry.formula),
            (entry.fraction, entry.excess),
            (0, -9),
            textcoords="offset points",
            ha="center",
            va="top",
            color=INK,
        )
    _limit_height(axes, hull)
    first, second = hull.elements
    axes.set_xlim(-0.06, 1.06)
    axes.set_xlabel(f"fraction of {first} in {first}$_x${second}$_{{1-x}}$", color=INK)
    axes.set_ylabel(_ENERGY[energy_kind], color=INK)
    axes.set_title(f"{first}–{second} on {title}", color=INK, loc="left", weight="bold", pad=12)
    axes.legend(
        frameon=False,
        loc="upper left",
        bbox_to_anchor=(1.0, 1.02),
        labelcolor=INK,
        fontsize=8,
        title="known as (filled: trained on)" if in_training else None,
        title_fontsize=8,
    )
    return figure


def _mark_found(axes: Axes, hull: BinaryHull, in_training: Mapping[str, bool]) -> None:
    """A colour and shape for every known crystal that was found; filled where it was in the training set."""
    marked = defaultdict(list)
    for entry in sorted(hull.entries, key=lambda entry: (-entry.fraction, entry.energy_per_atom)):
        if entry.is_generated and entry.known_as:
            marked[entry.known_as[0]].append(entry)
    for number, (name, entries) in enumerate(marked.items()):
        color = to_hex(mpl.colormaps["turbo"](0.06 + 0.86 * number / max(1, len(marked) - 1)))
        _scatter(
            axes,
            entries,
            f"{name}  {write_formula(entries[0].formula)} ({entries[0].space_group})",
            s=46,
            marker=_SHAPES[number % len(_SHAPES)],
            facecolors=color if in_training.get(name, False) else "white",
            edgecolors=color,
            linewidths=1.4,
            zorder=5,
        )


def _scatter(axes: Axes, entries: list[HullEntry], label: str, **style: Any) -> None:  # noqa: ANN401  # matplotlib's
    axes.scatter([entry.fraction for entry in entries], [entry.excess for entry in entries], label=label, **style)


def _limit_height(axes: Axes, hull: BinaryHull) -> None:
    """Show the hull and what lies near it, and say how much lies higher."""
    energies = np.array([entry.excess for entry in hull.entries])
    bottom = min(float(energies.min()), 0.0)
    top = min(float(energies.max()), max(-_HEADROOM * bottom, 0.05))
    axes.set_ylim(bottom - 0.13 * (top - bottom), top + 0.03 * (top - bottom))
    n_hidden = int((energies > axes.get_ylim()[1]).sum())
    if n_hidden:
        axes.annotate(f"↑ {n_hidden} higher", (0.99, 0.985), xycoords="axes fraction", ha="right", va="top", color=INK)
