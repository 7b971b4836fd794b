"""Forces that keep the symmetry of crystals: those of a batch projected onto what the operations leave as it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from torch import Tensor

from rm_engine.relax.state import RelaxationState
from rm_engine.structure import CrystalSymmetry

Symmetries = Sequence[CrystalSymmetry | None] | None
"""What each structure of a batch keeps of its symmetry; None stands for nothing, of one or of all."""


@dataclass(frozen=True)
class Projection:
    """The operations of all structures of a state; a structure that keeps nothing has the identity.

    Attributes:
        rotations: (n_operations, 3, 3), of all structures one after the other.
        shares: (n_operations,) one over the number of operations of the same structure.
        structure_of: (n_operations,) structure of each operation.
        operation: (n_images,) operation by which an atom comes to its image.
        atom: (n_images,) row of the atom.
        image: (n_images,) row of the image.
    """

    rotations: Tensor
    shares: Tensor
    structure_of: Tensor
    operation: Tensor
    atom: Tensor
    image: Tensor

    @classmethod
    def of(cls, symmetries: Symmetries, state: RelaxationState) -> Self | None:
        """The projection for the structures of a state, None where none of them keeps anything.

        Args:
            symmetries: of the structures of the batch that ``state.origin`` refers to.
            state: the structures.
        """
        if symmetries is None or not any(symmetries):  # told before a GPU is waited for
            return None
        kept = [symmetries[row] for row in state.origin.tolist()]
        if not any(kept):
            return None
        sizes = state.reference.sizes.tolist()
        rotations, operations, atoms, images = [], [], [], []
        n_operations = n_atoms = 0
        for symmetry, size in zip(kept, sizes, strict=True):
            own = symmetry or _nothing(size)
            rows = np.arange(len(own.rotations))
            rotations.append(own.rotations)
            operations.append(np.repeat(rows, size) + n_operations)
            atoms.append(np.tile(np.arange(size), len(rows)) + n_atoms)
            images.append(own.images.ravel() + n_atoms)
            n_operations, n_atoms = n_operations + len(rows), n_atoms + size
        each = np.array([len(own) for own in rotations])
        like, device = state.coordinates, state.coordinates.device
        return cls(
            rotations=torch.as_tensor(np.concatenate(rotations)).to(like),
            shares=torch.as_tensor(1 / np.repeat(each, each)).to(like),
            structure_of=torch.as_tensor(np.repeat(np.arange(len(each)), each), device=device),
            operation=torch.as_tensor(np.concatenate(operations), device=device),
            atom=torch.as_tensor(np.concatenate(atoms), device=device),
            image=torch.as_tensor(np.concatenate(images), device=device),
        )

    def project(self, forces: Tensor, n_atoms: int) -> Tensor:
        """Forces (n_rows, 3) on atoms and, after them, on the rows of the deformations, made symmetric."""
        atoms, cells = forces[:n_atoms], forces[n_atoms:].view(-1, 3, 3)
        turned = (self.rotations[self.operation] @ atoms[self.atom][:, :, None])[:, :, 0]
        on_atoms = torch.zeros_like(atoms).index_add(0, self.image, turned * self.shares[self.operation][:, None])
        turned = self.rotations @ cells[self.structure_of] @ self.rotations.transpose(1, 2)
        on_cells = torch.zeros_like(cells).index_add(0, self.structure_of, turned * self.shares[:, None, None])
        return torch.cat([on_atoms, on_cells.flatten(0, 1)])


def _nothing(n_atoms: int) -> CrystalSymmetry:
    """The identity alone."""
    return CrystalSymmetry(np.eye(3)[None], np.arange(n_atoms, dtype=np.int32)[None])
