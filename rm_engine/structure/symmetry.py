"""What the operations of a space group do to the atoms of a crystal and to vectors on them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class CrystalSymmetry:
    """Operations that map a crystal onto itself, one for each of their rotations.

    A deformation that commutes with the rotations changes neither them nor where they bring which atom, and no more do
    other cell vectors of the same lattice: what is here holds from the start of a relaxation to its end.

    Attributes:
        rotations: (n_operations, 3, 3) Cartesian, acting on columns.
        images: (n_operations, n_atoms) int32, the atom onto an image of which each atom is brought.
    """

    rotations: NDArray[np.float64]
    images: NDArray[np.int32]

    def symmetrize(self, vectors: NDArray[np.float64]) -> NDArray[np.float64]:
        """The part of vectors (n_atoms, 3) that the operations leave as it is: the mean over them."""
        mean = np.zeros_like(vectors)
        for rotation, image in zip(self.rotations, self.images, strict=True):
            mean[image] += vectors @ rotation.T / len(self.rotations)
        return mean
