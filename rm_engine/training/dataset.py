"""Training structures held as flat tensors, so that a batch is a gather."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from ase import Atoms
from torch import Tensor

from rm_engine.structure import StructureBatch


@dataclass(frozen=True)
class TrainingSet:
    """Structures at equilibrium.

    Attributes:
        structures: all of them as one batch.
        first_atom: (n_structures,) row of each structure's first atom.
    """

    structures: StructureBatch
    first_atom: Tensor

    def __len__(self) -> int:
        """Number of structures."""
        return self.structures.n_structures

    @classmethod
    def from_atoms(cls, structures: Sequence[Atoms], *, smallest_cell: int, device: torch.device | str = "cpu") -> Self:
        """Repeat small crystals to ``smallest_cell`` atoms and collect everything."""
        batch = StructureBatch.from_atoms(
            [repeat_small_cell(atoms, smallest_cell) for atoms in structures], device=device
        )
        return cls(batch, torch.cumsum(batch.sizes, 0) - batch.sizes)

    def take(self, rows: Tensor) -> StructureBatch:
        """The structures of these rows (n,) as a batch, in this order."""
        everything = self.structures
        rows = rows.to(everything.numbers.device)
        sizes = everything.sizes[rows]
        structure_of = torch.repeat_interleave(torch.arange(rows.shape[0], device=rows.device), sizes)
        start = self.first_atom[rows] - (torch.cumsum(sizes, 0) - sizes)
        atoms = torch.arange(structure_of.shape[0], device=rows.device) + start[structure_of]
        return StructureBatch(
            positions=everything.positions[atoms],
            numbers=everything.numbers[atoms],
            cells=everything.cells[rows],
            periodic=everything.periodic[rows],
            structure_of=structure_of,
        )

    def batches(self, batch_size: int, seed: Sequence[int]) -> Iterator[StructureBatch]:
        """Every structure once, in an order that follows from the seed alone."""
        order = torch.from_numpy(np.random.default_rng(seed).permutation(len(self)))
        for rows in torch.split(order, batch_size):
            yield self.take(rows)


def repeat_small_cell(atoms: Atoms, smallest_cell: int) -> Atoms:
    """Double a crystal along its shortest height until it holds ``smallest_cell`` atoms.

    Shaken in a small cell, an atom moves together with its images and learns nothing of their restoring force.
    """
    if not atoms.pbc.all():
        return atoms
    repeats = [1, 1, 1]
    heights = 1 / np.linalg.norm(np.linalg.inv(atoms.cell.array), axis=0)
    while len(atoms) * np.prod(repeats) < smallest_cell:
        repeats[int(np.argmin(heights * repeats))] *= 2
    repeated: Atoms = atoms.repeat(repeats)
    return repeated
