"""The lower convex hull over compositions: of every composition the mixture of lowest energy.

Each composition is a small linear programme: amounts of vertices that add up to it, at the lowest energy. Its optimum
is the energy of the hull there. All compositions are solved side by side by the simplex method, and they share the
vertices, which are few: a point above the mixture found for its own composition is none, so vertices are added where
they cut deepest below what is known, until nothing lies below. The cost grows with compositions times vertices in any
number of dimensions, where the facets of a hull grow beyond counting.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

TOLERANCE: Final = 1e-9
"""Energy per atom up to which a structure lies on the hull."""

_NUDGE: Final = 1e-12
"""How far compositions are moved off the faces of the simplex, where amounts vanish and pivots would go in circles."""
_SMALLEST_SHARE: Final = 1e-9
_VERTICES_AT_FIRST: Final = 64
_BLOCK_SIZE: Final = 2**21  # compositions times vertices that are priced at once
_MAX_PIVOTS: Final = 10_000


def find_lower_hull(points: Array, excess: Array) -> Array:
    """Excess energy of the lower convex hull of the elements, at zero, and all points, at every point (n_points).

    Args:
        points: atomic fractions, all different (n_points, n_elements).
        excess: excess energy per atom at each of them (n_points).

    Raises:
        ArithmeticError: the simplex method did not end.
    """
    n_points, n_elements = points.shape
    mixtures = _Mixtures(points)
    is_vertex = np.zeros(n_points, dtype=bool)
    n_added = _VERTICES_AT_FIRST
    while True:
        depths = np.where(is_vertex, 0.0, mixtures.energies - excess)
        below = np.flatnonzero(depths > TOLERANCE)
        if not len(below):
            return mixtures.energies
        is_vertex &= excess <= mixtures.energies + TOLERANCE
        is_vertex[below[np.argsort(depths[below])[-n_added:]]] = True
        vertices = np.vstack([np.eye(n_elements), points[is_vertex]])
        mixtures.lower(vertices, np.concatenate([np.zeros(n_elements), excess[is_vertex]]))
        n_added *= 4


class _Mixtures:
    """The mixture of every composition: at first of the elements.

    Attributes:
        energies: of the mixtures, per atom (n_points).
    """

    def __init__(self, points: Array) -> None:
        n_points, n_elements = points.shape
        interior = np.random.default_rng(0).dirichlet(np.full(n_elements, 4.0), n_points)
        self.energies = np.zeros(n_points)
        self._points = points
        self._nudged = (1 - _NUDGE) * points + _NUDGE * interior
        self._components = np.tile(np.eye(n_elements), (n_points, 1, 1))  # (n_points, component, element)
        self._component_energies = np.zeros((n_points, n_elements))

    def lower(self, vertices: Array, energies: Array) -> None:
        """Lower all mixtures as far as ``vertices`` (n_vertices, n_elements) with their ``energies`` allow."""
        size = max(1, _BLOCK_SIZE // len(vertices))
        for first in range(0, len(self._points), size):
            active = np.arange(first, min(first + size, len(self._points)))
            for _ in range(_MAX_PIVOTS):
                active = self._pivot(active, vertices, energies)
                if not len(active):
                    break
            else:
                raise ArithmeticError(f"The hull of {len(self._points)} compositions was not found.")

    def _pivot(self, active: NDArray[np.int64], vertices: Array, energies: Array) -> NDArray[np.int64]:
        """Exchange one component of each mixture for the vertex that pays most; returns those where one did."""
        inverse = np.linalg.inv(self._components[active])
        prices = np.einsum("pec,pc->pe", inverse, self._component_energies[active])
        self.energies[active] = np.einsum("pe,pe->p", prices, self._points[active])
        gains = prices @ vertices.T - energies
        entering = gains.argmax(axis=1)
        pays = gains[np.arange(len(active)), entering] > TOLERANCE / 10
        active, entering, inverse = active[pays], entering[pays], inverse[pays]
        amounts = np.einsum("pe,pec->pc", self._nudged[active], inverse)
        shares = np.einsum("pe,pec->pc", vertices[entering], inverse)
        is_used = shares > _SMALLEST_SHARE
        leaving = np.where(is_used, amounts / np.where(is_used, shares, 1.0), np.inf).argmin(axis=1)
        self._components[active, leaving] = vertices[entering]
        self._component_energies[active, leaving] = energies[entering]
        return active
