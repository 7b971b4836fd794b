"""Figures drawn from the results of the engine. Needs matplotlib."""

from rm_engine.figures.atomization import plot_atomization
from rm_engine.figures.binary_hull import plot_binary_hull
from rm_engine.figures.canvas import save_figure, write_figure
from rm_engine.figures.carbon import plot_carbon
from rm_engine.figures.curves import plot_curves
from rm_engine.figures.elements import plot_elements
from rm_engine.figures.hull import plot_hull
from rm_engine.figures.molecules import plot_molecules
from rm_engine.figures.phases import HullPoint, Phases, find_phases

__all__ = [
    "HullPoint",
    "Phases",
    "find_phases",
    "plot_atomization",
    "plot_binary_hull",
    "plot_carbon",
    "plot_curves",
    "plot_elements",
    "plot_hull",
    "plot_molecules",
    "save_figure",
    "write_figure",
]
