"""The pseudo convex hull: which compositions keep together and how far every structure lies above them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from rm_engine.analysis.mixtures import TOLERANCE, find_lower_hull
from rm_engine.errors import InputError

Composition = Mapping[str, int]


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
    return [float(value) for value in _measure_excess(compositions, energies_per_atom, reference_energies)[2]]


def hull_energies(
    compositions: Sequence[Composition],
    energies_per_atom: Sequence[float],
    reference_energies: Mapping[str, float],
) -> list[float]:
    """Energy per atom of the lower convex hull of all structures, at the composition of each (n_structures).

    Works for any number of elements. Arguments and errors are those of :func:`excess_energies`.
    """
    fractions, references, excess = _measure_excess(compositions, energies_per_atom, reference_energies)
    return [float(value) for value in fractions @ references + _find_hull(fractions, excess)]


def energies_above_hull(
    compositions: Sequence[Composition],
    energies_per_atom: Sequence[float],
    reference_energies: Mapping[str, float],
) -> list[float]:
    """Distance per atom of every structure to the lower convex hull of all (n_structures), never negative.

    Works for any number of elements. Arguments and errors are those of :func:`excess_energies`.
    """
    fractions, _, excess = _measure_excess(compositions, energies_per_atom, reference_energies)
    distances = excess - _find_hull(fractions, excess)
    return [float(value) if value > TOLERANCE else 0.0 for value in distances]


def _find_hull(fractions: NDArray[np.float64], excess: NDArray[np.float64]) -> NDArray[np.float64]:
    """Excess energy of the hull at the composition of every structure; of each composition the lowest one counts."""
    points, point_of = np.unique(np.round(fractions, 12), axis=0, return_inverse=True)
    lowest = np.full(len(points), np.inf)
    np.minimum.at(lowest, point_of, excess)
    return find_lower_hull(points, lowest)[point_of]


def _measure_excess(
    compositions: Sequence[Composition], energies_per_atom: Sequence[float], reference_energies: Mapping[str, float]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Atomic fractions (n_structures, n_elements), energies of the elements (n_elements), excess energies."""
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
    references = np.array(
        [
            _find_reference(symbol, energies[fractions[:, column] == 1.0], reference_energies)
            for column, symbol in enumerate(elements)
        ],
        dtype=float,
    )
    return fractions, references, energies - fractions @ references


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
