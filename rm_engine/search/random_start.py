"""Random starts: a cell of a sensible volume with atoms anywhere but on top of one another."""

from __future__ import annotations

from typing import Final

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from rm_engine.errors import SearchError
from rm_engine.search.separation import (
    Distances,
    asked_distances,
    inverse_heights,
    lattice_points,
    least_distances,
)
from rm_engine.spec import Formula, GenerationSpec, ModelCard, parse_formula
from rm_engine.structure import reduce_cell

_CELL_NOISE: Final = 0.5
"""Every component of a cubic cell is changed by up to half this fraction of its edge (the paper's protocol)."""

_VOLUME_SPREAD: Final = 0.1
"""The regressed volume is multiplied by a factor drawn uniformly from 1 ± this."""

_MOLECULE_VOLUME_PER_ATOM: Final = 10.0
"""Å³ of the box that a molecule's atoms are strewn into, about the paper's 10 x 5 x 5 Å for its molecules."""

_CELL_TRIES: Final = 60
_POSITION_TRIES: Final = 100
_TOUCH: Final = 2.0
"""What is added to a seed structure starts within so many least distances of an atom that is there: further out, as in
the vacuum over a surface, nothing would pull it.
"""
_LOOKS: Final = (3, 12, 40)
"""Tries are looked at in parts that end here: one of the first often has room."""
_TIGHTENING: Final = 0.97
"""Default separations shrink by this factor with every cell that could not be filled; those that the caller gave do
not.
"""


def draw_random(spec: GenerationSpec, card: ModelCard, formula: Formula, rng: np.random.Generator) -> Atoms:
    """Atoms anywhere in a random cell, or in that of the seed structure, whose atoms come first.

    Args:
        spec: the run.
        card: the model's card, for the volume.
        formula: contents of the cell.
        rng: source of randomness.

    Raises:
        SearchError: in 60 cells with 100 tries for each atom there was no room at these separations.
    """
    numbers, there = _look_around(spec, formula)
    asked = asked_distances(numbers, spec)
    least = least_distances(numbers, asked)
    for _ in range(_CELL_TRIES):
        cell = _draw_cell(spec, card, formula, rng)
        positions = _place(cell, spec, least, there, rng)
        if positions is not None:
            has_cell = any(spec.periodic)
            return Atoms(numbers, positions, cell=cell if has_cell else None, pbc=spec.periodic)
        least = np.where(np.isnan(asked), least * _TIGHTENING, least)
    volume = abs(float(np.linalg.det(cell))) / len(numbers)
    raise SearchError(
        f"No room for {len(numbers)} atoms of {spec.composition} at {volume:.1f} Å³ per atom and separations of "
        f"{least.min():.2f} to {least.max():.2f} Å, in {_CELL_TRIES} cells. "
        "Lower min_distance and separations, or raise volume_per_atom."
    )


def _look_around(spec: GenerationSpec, formula: Formula) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """(n_atoms,) atomic numbers of all atoms, and the positions (n_there, 3) of the first, which are there already."""
    seed = spec.seed_structure
    if seed is None:
        return np.array(formula.atomic_numbers()), np.zeros((0, 3))
    atoms = Atoms(seed.numbers, seed.positions, cell=seed.cell, pbc=seed.periodic)
    atoms.wrap()
    return np.array([*seed.numbers, *parse_formula(spec.composition).atomic_numbers()]), atoms.positions


def _draw_cell(
    spec: GenerationSpec, card: ModelCard, formula: Formula, rng: np.random.Generator
) -> NDArray[np.float64]:
    """A right-handed cell, rows are vectors, Å: the one asked for, or a random one of the volume asked for or
    regressed.
    """
    if spec.cell is not None:
        return np.array(spec.cell)
    cube = np.eye(3) + _CELL_NOISE * (rng.random((3, 3)) - 0.5)
    volume = draw_volume(spec, card, formula, rng)
    cell = cube * np.cbrt(volume / np.linalg.det(cube))
    return reduce_cell(cell) if spec.is_crystal else cell


def draw_volume(spec: GenerationSpec, card: ModelCard, formula: Formula, rng: np.random.Generator) -> float:
    """Volume of the cell of a start, Å³: the one asked for, or the regressed one, give or take a tenth."""
    asked_for = spec.volume_of(formula)
    if asked_for is not None:
        return float(rng.uniform(*asked_for))
    if spec.is_molecule:
        return formula.n_atoms * _MOLECULE_VOLUME_PER_ATOM
    return card.volume_of(formula) * float(rng.uniform(1 - _VOLUME_SPREAD, 1 + _VOLUME_SPREAD))


def _place(
    cell: NDArray[np.float64],
    spec: GenerationSpec,
    least: Distances,
    there: NDArray[np.float64],
    rng: np.random.Generator,
) -> NDArray[np.float64] | None:
    """(n_atoms, 3) positions, those that are ``there`` and then atom after atom at random where there is room, or None
    where there was none.
    """
    points = lattice_points(cell, spec.periodic, float(least.max()))
    to_images = np.linalg.norm(points[1:], axis=1)
    if len(to_images) and to_images.min() < least.diagonal()[len(there) :].max():
        return None
    lowest, highest = _bounds(cell, spec)
    placed = there
    for atom in range(len(there), len(least)):
        candidates = (lowest + (highest - lowest) * rng.random((_POSITION_TRIES, 3))) @ cell
        free = _find_free(candidates, placed, points, least[atom, :atom], touches=len(there) > 0)
        if free is None:
            return None
        placed = np.vstack([placed, free])
    return placed


def _bounds(cell: NDArray[np.float64], spec: GenerationSpec) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The lowest and the highest (3,) fractional coordinates of what is placed: those of the layer, or any."""
    lowest, highest = np.zeros(3), np.ones(3)
    if spec.layer is not None:
        across = ~np.array(spec.periodic)
        lowest[across], highest[across] = np.multiply.outer(spec.layer, inverse_heights(cell)[across])
    return lowest, highest


def _find_free(
    candidates: NDArray[np.float64],
    placed: NDArray[np.float64],
    points: NDArray[np.float64],
    least: Distances,
    *,
    touches: bool,
) -> NDArray[np.float64] | None:
    """The first candidate (3,) that is far enough from every image of the atoms placed, and, if it must, touches one of
    them.
    """
    for few in np.split(candidates, _LOOKS):
        vectors = few[:, None, None] - placed[:, None] + points
        distances2 = np.einsum("tpic,tpic->tpi", vectors, vectors)
        free = (distances2 >= least[:, None] ** 2).all(axis=(1, 2))
        if touches:
            free &= (distances2 <= (_TOUCH * least[:, None]) ** 2).any(axis=(1, 2))
        if free.any():
            return np.asarray(few[np.argmax(free)])
    return None
