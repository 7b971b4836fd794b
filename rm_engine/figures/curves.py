"""Learning curves."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure

from rm_engine.figures.canvas import BLUE, FAINT, INK, ORANGE, make_axes
from rm_engine.training import EpochRecord


def plot_curves(records: Sequence[EpochRecord], title: str) -> Figure:
    """Draw force and stress errors over the epochs: training batches faint, held-out structures strong.

    Args:
        records: scores of the epochs done, at least one.
        title: name of the model.
    """
    figure, axes = make_axes(7.0, 4.6)
    epochs = [record.epoch for record in records]
    for color, quantity in ((BLUE, "force"), (ORANGE, "stress")):
        training = [getattr(record, f"{quantity}_rmse") for record in records]
        held_out = [getattr(record, f"validation_{quantity}_rmse") for record in records]
        axes.plot(epochs, training, color=color, alpha=0.4, linewidth=1.2, label=f"{quantity}, training")
        axes.plot(epochs, held_out, color=color, linewidth=2.0, label=f"{quantity}, held out")
    axes.set_yscale("log")
    axes.set_xlabel("epoch", color=INK)
    axes.set_ylabel("root mean square error per component (pseudo units)", color=INK)
    axes.grid(axis="y", which="both", color=FAINT, linewidth=0.4, alpha=0.5)
    axes.legend(frameon=False, labelcolor=INK)
    axes.set_title(f"Training of {title}", color=INK, loc="left", weight="bold", pad=12)
    return figure
