"""Orbits of space groups: Wyckoff positions, and points on them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations
from typing import Final

import moyopy
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
_ON_SITE: Final = 0.02
"""Fraction of a cell vector within which a point counts as its own image."""


@dataclass(frozen=True)
class Orbit:
    """Atoms that the space group maps onto one another.

    Attributes:
        number: atomic number.
        letter: Wyckoff letter.
        n_atoms: atoms of the orbit in the primitive cell.
        point: (3,) one of them, fractional coordinates of the standard conventional cell.
    """

    number: int
    letter: str
    n_atoms: int
    point: Floats


@dataclass(frozen=True)
class Site:
    """A Wyckoff position as the affine map of any point onto it, ``point -> rotation @ point + shift``."""

    rotation: Floats
    shift: Floats


@dataclass(frozen=True)
class Operations:
    """A space group in its standard setting: ``point -> rotations @ point + translations`` on the conventional cell.

    Attributes:
        rotations: (n_operations, 3, 3).
        translations: (n_operations, 3).
        primitive: (3, 3) vectors of a primitive cell, rows, in units of those of the conventional cell.
    """

    rotations: Floats
    translations: Floats
    primitive: Floats

    @property
    def n_centrings(self) -> int:
        """Primitive cells in the conventional one."""
        return round(1 / float(np.linalg.det(self.primitive)))

    def images(self, point: Floats) -> Floats:
        """(n_operations, 3) images of a point."""
        images: Floats = self.rotations @ point + self.translations
        return images


@lru_cache(maxsize=256)
def find_operations(space_group: int) -> Operations:
    """The operations of a space group, by its number in the International Tables."""
    found = moyopy.operations_from_number(space_group)
    rotations = np.array(found.rotations, dtype=float)
    translations = np.array(found.translations) % 1
    pure = np.all(rotations == np.eye(3), axis=(1, 2))
    return Operations(rotations, translations, _primitive_vectors(translations[pure]))


def _primitive_vectors(centrings: Floats) -> Floats:
    """A right-handed primitive basis of short vectors among the centrings and the conventional vectors."""
    vectors = np.concatenate([np.eye(3), *(centrings - step for step in np.ndindex(2, 2, 2))])
    lengths = np.linalg.norm(vectors, axis=1)
    order = [row for row in np.argsort(lengths, kind="stable") if lengths[row] > 1e-3]
    for rows in combinations(order, 3):
        determinant = float(np.linalg.det(vectors[list(rows)]))
        if abs(abs(determinant) * len(centrings) - 1) < 1e-3:
            return np.asarray(vectors[list(rows)] * np.sign(determinant))
    raise ValueError(f"{len(centrings)} centrings span no lattice")


def find_site(space_group: int, orbit: Orbit) -> Site:
    """The Wyckoff position of an orbit: the mean over the operations that leave its point where it is."""
    operations = find_operations(space_group)
    moved = operations.images(orbit.point) - orbit.point
    lattice = np.round(moved)
    fixed = np.abs(moved - lattice).max(axis=1) < _ON_SITE
    shift = (operations.translations - lattice)[fixed].mean(axis=0)
    return Site(operations.rotations[fixed].mean(axis=0), shift)


def spread(space_group: int, site: Site, point: Floats) -> Floats:
    """(n_atoms, 3) the orbit of a point moved onto a site, in fractional coordinates of the primitive cell."""
    operations = find_operations(space_group)
    images = operations.images(site.rotation @ point + site.shift) @ np.linalg.inv(operations.primitive) % 1
    _, rows = np.unique(np.round(images, 5) % 1, axis=0, return_index=True)
    return np.asarray(images[np.sort(rows)])
