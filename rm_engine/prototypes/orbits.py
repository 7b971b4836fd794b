"""Orbits of space groups: Wyckoff positions, and points on them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import combinations
from typing import Final

import moyopy
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
_ON_SITE: Final = 0.02
"""Fraction of a cell vector within which a point counts as its own image."""
_SAME_IMAGE: Final = 1e-4
"""The same for images by operations; sites are written with six digits."""
_ANYWHERE: Final = np.array([0.137591, 0.293417, 0.418233])
"""A point that lies on nothing special, and whose image on a site on nothing more special than the site."""


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

    @property
    def n_free(self) -> int:
        """Coordinates that are free on it: the rank of the map, which is a projection."""
        return round(float(np.trace(self.rotation)))


GENERAL: Final = "*"
"""Stands for the letter of a general position on which no crystal is known."""
GENERAL_SITE: Final = Site(np.eye(3), np.zeros(3))


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

    @cached_property
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


def find_images(space_group: int, site: Site) -> tuple[Floats, Floats]:
    """The affine maps, (n_atoms, 3, 3) and (n_atoms, 3), of any point onto the orbit of its site.

    The point is in fractional coordinates of the standard conventional cell, its images in those of the primitive one.
    """
    operations = find_operations(space_group)
    to_primitive = np.linalg.inv(operations.primitive)
    rotations = to_primitive.T @ operations.rotations @ site.rotation
    shifts = operations.images(site.shift) @ to_primitive
    images = rotations @ _ANYWHERE + shifts
    apart = images[:, None] - images
    first_alike = (np.abs(apart - np.round(apart)) < _SAME_IMAGE).all(axis=2).argmax(axis=1)
    rows = np.flatnonzero(first_alike == np.arange(len(images)))
    return rotations[rows], shifts[rows]
