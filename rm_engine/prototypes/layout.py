"""Where the atoms of a prototype are, for any choice of what its symmetry leaves free."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from rm_engine.prototypes.orbits import Floats, Site, find_images

Integers = NDArray[np.int64]


@dataclass(frozen=True)
class Layout:
    """Atoms of a primitive cell as images of one point for each orbit.

    Attributes:
        roles: (n_atoms,) role of each atom.
        orbits: (n_atoms,) orbit of each atom.
        n_orbits: number of orbits.
        rotations: (n_atoms, 3, 3), see :func:`rm_engine.prototypes.orbits.find_images`.
        shifts: (n_atoms, 3).
    """

    roles: Integers
    orbits: Integers
    n_orbits: int
    rotations: Floats
    shifts: Floats

    @classmethod
    def of(cls, space_group: int, sites: Sequence[Sequence[Site]]) -> Self:
        """The layout of a space group with these sites occupied, role by role."""
        roles = [role for role, own in enumerate(sites) for _ in own]
        rotations, shifts = zip(*(find_images(space_group, site) for own in sites for site in own), strict=True)
        sizes = [len(orbit) for orbit in shifts]
        return cls(
            roles=np.repeat(roles, sizes),
            orbits=np.repeat(np.arange(len(sizes)), sizes),
            n_orbits=len(sizes),
            rotations=np.concatenate(rotations),
            shifts=np.concatenate(shifts),
        )

    def place(self, points: Floats) -> Floats:
        """(n_atoms, 3) fractional coordinates, inside the cell, for one point (n_orbits, 3) of each orbit."""
        return np.asarray((np.einsum("aij,aj->ai", self.rotations, points[self.orbits]) + self.shifts) % 1)
