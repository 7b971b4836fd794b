"""The pseudo convex hull: which compositions keep together and how far every structure lies above them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linprog

from rm_engine.errors import InputError

Composition = Mapping[str, int]

_TOLERANCE: Final = 1e-9


def excess_energies(
    compositions: Sequence[Composition],
    energies_per_atom: Sequence[float],
    reference_energies: Mapping[str, float],
) -> list[float]:
    """Energy per atom of every structure over that of its elements apart, pseudo units per atom (n_structures).

    Args:
        compositions: number of atoms of each element in every structure (n_structures).
        energies_per_atom: pseudo energies of one model (n_structures).
        reference_energies: energy per atom of elements. Where an elemental structure lies lower, or an element is
            missing, the lowest elemental structure takes its place.

    Raises:
        InputError: an element has neither a reference energy nor an elemental structure; a composition is empty; an
            energy is not finite; or the lengths differ.
    """
    _, excess = _measure_excess(compositions, energies_per_atom, reference_energies)
    return [float(value) for value in excess]


def energies_above_hull(
    compositions: Sequence[Composition],
    energies_per_atom: Sequence[float],
    reference_energies: Mapping[str, float],
) -> list[float]:
    """Distance per atom of every structure to the lower convex hull of all (n_structures), never negative.

    Works for any number of elements. Arguments and errors are those of :func:`excess_energies`.
    """
    fractions, excess = _measure_excess(compositions, energies_per_atom, reference_energies)
    points, point_of = np.unique(np.round(fractions, 12), axis=0, return_inverse=True)
    lowest = np.full(len(points), np.inf)
    np.minimum.at(lowest, point_of, excess)
    distances = excess - _find_hull(points, lowest)[point_of]
    return [float(value) if value > _TOLERANCE else 0.0 for value in distances]


def _measure_excess(
    compositions: Sequence[Composition], energies_per_atom: Sequence[float], reference_energies: Mapping[str, float]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Atomic fractions (n_structures, n_elements) and excess energies (n_structures)."""
    energies = np.asarray(energies_per_atom, dtype=float)
    elements = sorted({symbol for composition in compositions for symbol, count in composition.items() if count})
    counts = np.array([[float(composition.get(symbol, 0)) for symbol in elements] for composition in compositions])
    counts = counts.reshape(len(compositions), len(elements))
    n_atoms = counts.sum(axis=1, keepdims=True)
    if len(energies) != len(compositions) or not np.isfinite(energies).all() or not (n_atoms > 0).all():
        raise InputError(
            "unusable_energies",
            "energies_per_atom",
            f"{len(compositions)} compositions, {len(energies)} energies",
            "every structure needs atoms and a finite energy",
            "Leave out structures whose relaxation failed.",
        )
    fractions = counts / n_atoms
    references = [
        _find_reference(symbol, energies[fractions[:, column] == 1.0], reference_energies)
        for column, symbol in enumerate(elements)
    ]
    return fractions, energies - fractions @ np.array(references, dtype=float)


def _find_reference(symbol: str, elemental: NDArray[np.float64], reference_energies: Mapping[str, float]) -> float:
    candidates = [*elemental.tolist(), *([reference_energies[symbol]] if symbol in reference_energies else [])]
    if not candidates:
        raise InputError(
            "no_reference_energy",
            "reference_energies",
            symbol,
            "neither the model nor any structure gives the energy of this element",
            f"Generate structures of {symbol} alone first.",
        )
    return float(min(candidates))


def _find_hull(points: NDArray[np.float64], excess: NDArray[np.float64]) -> NDArray[np.float64]:
    """Energy of the lower convex hull at every composition (n_points).

    One linear programme decomposes a composition into the mixture of lowest energy. Its components span a facet of the
    hull, so all compositions within that facet are settled with it: the cost grows with the number of facets, not of
    structures, and no dimension is special.

    Args:
        points: atomic fractions, all different (n_points, n_elements).
        excess: lowest excess energy at each of them (n_points).
    """
    elements = np.eye(points.shape[1])
    hull = np.full(len(points), np.nan)
    for index in range(len(points)):
        if np.isnan(hull[index]):
            # Points on or above the plane of the elements are no vertices, nor are those found to be above the hull.
            can_be_vertex = (excess < 0) & ~(excess > hull + _TOLERANCE)
            vertices = np.vstack([elements, points[can_be_vertex]])
            energies = np.concatenate([np.zeros(len(elements)), excess[can_be_vertex]])
            components = _decompose(points[index], vertices, energies)
            amounts = points @ np.linalg.pinv(vertices[components])
            is_inside = (amounts > -_TOLERANCE).all(axis=1)
            is_inside &= np.abs(amounts @ vertices[components] - points).max(axis=1) < _TOLERANCE
            is_inside[index] = True
            hull[is_inside] = amounts[is_inside] @ energies[components]
    return hull


def _decompose(
    point: NDArray[np.float64], vertices: NDArray[np.float64], energies: NDArray[np.float64]
) -> NDArray[np.int64]:
    """Indices of the vertices whose mixture has the composition ``point`` at the lowest energy."""
    solution = linprog(energies, A_eq=vertices.T, b_eq=point, method="highs-ds")
    if not solution.success:  # the elements are among the vertices, so there always is a mixture
        raise ArithmeticError(f"The linear programme of the hull failed: {solution.message}")
    return np.flatnonzero(solution.x > _TOLERANCE)
