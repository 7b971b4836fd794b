"""Carbon at many volumes: the pseudo energies of what a search found, by form."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from rm_engine.analysis import CarbonForm
from rm_engine.evaluation.carbon import CarbonSurvey
from rm_engine.figures.canvas import BLUE, FAINT, INK, ORANGE, make_axes

_MARKERS: Final[dict[CarbonForm, dict[str, Any]]] = {
    CarbonForm.OTHER: {"s": 7, "color": FAINT, "alpha": 0.55, "zorder": 1},
    CarbonForm.GRAPHITE: {"s": 16, "color": ORANGE, "marker": "D", "zorder": 3},
    CarbonForm.STACKING_FAULT: {"s": 22, "color": "#7b4fa3", "marker": "^", "zorder": 5},
    CarbonForm.HEXAGONAL_DIAMOND: {"s": 16, "color": "#c0392b", "marker": "s", "zorder": 4},
    CarbonForm.CUBIC_DIAMOND: {"s": 14, "color": BLUE, "zorder": 2},
}
_SHOWN: Final = 0.985
"""Quantile of the energies that sets the top of the picture."""


def plot_carbon(survey: CarbonSurvey, title: str) -> Figure:
    """Draw pseudo energy per atom against volume per atom.

    Args:
        survey: from :func:`rm_engine.evaluation.carbon.survey_carbon`, with at least one structure.
        title: name of the model.
    """
    figure, axes = make_axes(7.6, 4.8)
    for form, marker in _MARKERS.items():
        points = [point for point in survey.points if point.form is form]
        volumes = [point.volume_per_atom for point in points]
        energies = [point.pseudo_energy_per_atom for point in points]
        axes.scatter(volumes, energies, label=f"{form} ({len(points)})", linewidths=0, **marker)
    _limit_height(axes, survey)
    axes.set_xlabel("volume per atom (Å³)", color=INK)
    axes.set_ylabel("pseudo energy per atom", color=INK)
    axes.set_title(f"Carbon from random starts, on {title}", color=INK, loc="left", weight="bold", pad=12)
    axes.legend(frameon=False, loc="upper left", bbox_to_anchor=(1.0, 1.0), labelcolor=INK, reverse=True)
    return figure


def _limit_height(axes: Axes, survey: CarbonSurvey) -> None:
    """Leave out the few that lie far above, and say how many."""
    energies = np.array([point.pseudo_energy_per_atom for point in survey.points])
    bottom, top = float(energies.min()), float(np.quantile(energies, _SHOWN))
    margin = 0.04 * (top - bottom) + 1e-3
    axes.set_ylim(bottom - margin, top + margin)
    n_hidden = int((energies > top + margin).sum())
    if n_hidden:
        axes.annotate(f"↑ {n_hidden} higher", (1.03, 0.62), xycoords="axes fraction", va="top", color=INK)
