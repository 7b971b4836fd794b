"""Crystals drawn from a prototype: symmetric, the free parameters of cell and sites at random."""

from __future__ import annotations

import numpy as np
from ase import Atoms

from rm_engine.prototypes.lattice import build_cell, find_lattice_system
from rm_engine.prototypes.orbits import Floats, find_operations
from rm_engine.prototypes.table import Assignment, PrototypeTable


def draw_crystal(table: PrototypeTable, assignment: Assignment, volume: float, rng: np.random.Generator) -> Atoms:
    """The primitive cell of a crystal of this prototype, its atoms inside.

    Args:
        table: where the prototype is from.
        assignment: prototype and elements.
        volume: of the primitive cell, Å³.
        rng: source of randomness.
    """
    prototype = assignment.prototype
    group = prototype.space_group
    layout = table.layout_of(prototype)
    positions = layout.place(rng.random((layout.n_orbits, 3)))
    operations = find_operations(group)
    shape = prototype.shape or table.shapes[find_lattice_system(group)]
    conventional = _draw_cell(group, shape.mean, shape.deviation, volume * operations.n_centrings, rng)
    cell = operations.primitive @ conventional
    return Atoms(np.array(assignment.numbers)[layout.roles], positions @ cell, cell=cell, pbc=True)


def _draw_cell(
    space_group: int, mean: tuple[float, ...], deviation: tuple[float, ...], volume: float, rng: np.random.Generator
) -> Floats:
    """A conventional cell with normally distributed shape; of shapes that close no cell, one nearer to the mean."""
    spread_by = rng.standard_normal(len(mean)) * deviation
    for shrink in (1.0, 0.5, 0.25):
        try:
            return build_cell(space_group, mean + shrink * spread_by, volume)
        except ValueError:
            continue
    return build_cell(space_group, mean, volume)
