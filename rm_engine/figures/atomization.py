"""Pseudo energies of molecules against their atomization energies."""

from __future__ import annotations

from matplotlib.figure import Figure

from rm_engine.evaluation.atomization import EnergyComparison, correlate
from rm_engine.figures.canvas import BLUE, INK, make_figure, style_axes

_COLORS = (BLUE, "#e07a1f", "#3d8b4f", "#7b4fa3", "#c0392b", "#7a6a53")


def plot_atomization(comparison: EnergyComparison, title: str) -> Figure:
    """Draw both energies of every molecule, and those per atom of the common compositions.

    Args:
        comparison: from :func:`rm_engine.evaluation.atomization.compare_energies`.
        title: name of the model.
    """
    figure = make_figure(9.6, 4.4)
    whole, per_atom = figure.subplots(1, 2)
    style_axes(whole)
    style_axes(per_atom)
    whole.scatter(comparison.atomization, comparison.pseudo, s=3, linewidths=0, alpha=0.4, color=BLUE, rasterized=True)
    whole.set_xlabel("atomization energy (eV)", color=INK)
    whole.set_ylabel("pseudo energy", color=INK)
    whole.annotate(_label("", comparison.correlation), (0.04, 0.93), xycoords="axes fraction", color=INK, weight="bold")
    whole.set_title(f"QM7b on {title}: molecules", color=INK, loc="left", weight="bold", pad=12)
    compositions = comparison.of_common_compositions()
    for color, (formula, (atomization, pseudo)) in zip(_COLORS, compositions.items(), strict=False):
        label = _label(formula, correlate(atomization, pseudo))
        per_atom.scatter(atomization, pseudo, s=5, linewidths=0, alpha=0.6, color=color, label=label)
    per_atom.set_xlabel("atomization energy per atom (eV)", color=INK)
    per_atom.set_ylabel("pseudo energy per atom", color=INK)
    per_atom.set_title("common compositions, per atom", color=INK, loc="left", weight="bold", pad=12)
    if compositions:
        per_atom.legend(frameon=False, labelcolor=INK, markerscale=2.5, handletextpad=0.2, fontsize=8)
    return figure


def _label(name: str, correlation: float | None) -> str:
    return name if correlation is None else f"{name}  R = {correlation:.3f}".strip()
