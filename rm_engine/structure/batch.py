"""Many structures of any mix of sizes as flat tensors with an index."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Self

import numpy as np
import torch
from ase import Atoms
from torch import Tensor


@dataclass(frozen=True)
class StructureBatch:
    """Structures laid end to end.

    Attributes:
        positions: (n_atoms, 3) Cartesian positions, Å.
        numbers: (n_atoms,) atomic numbers, int64.
        cells: (n_structures, 3, 3) rows are cell vectors, Å; vectors that are not periodic complete the basis, so
            that every cell can be inverted, and mean nothing else.
        periodic: (n_structures, 3) bool, which cell vectors repeat.
        structure_of: (n_atoms,) index of the structure each atom belongs to, ascending, int64.
    """

    positions: Tensor
    numbers: Tensor
    cells: Tensor
    periodic: Tensor
    structure_of: Tensor

    @property
    def n_structures(self) -> int:
        """Number of structures."""
        return self.cells.shape[0]

    @property
    def n_atoms(self) -> int:
        """Number of atoms of all structures together."""
        return self.positions.shape[0]

    @cached_property
    def sizes(self) -> Tensor:
        """(n_structures,) number of atoms of each structure."""
        return torch.bincount(self.structure_of, minlength=self.n_structures)

    @cached_property
    def place_of(self) -> Tensor:
        """(n_atoms,) how many atoms of the same structure come before each."""
        firsts = torch.cumsum(self.sizes, 0) - self.sizes
        return torch.arange(self.n_atoms, device=firsts.device) - firsts[self.structure_of]

    @cached_property
    def is_crystal(self) -> Tensor:
        """(n_structures,) bool, whether all three vectors are periodic: only these have a volume and a stress."""
        return self.periodic.all(dim=1)

    @cached_property
    def volumes(self) -> Tensor:
        """(n_structures,) cell volumes, Å³."""
        determinants: Tensor = torch.linalg.det(self.cells)
        return determinants.abs()

    @classmethod
    def from_atoms(
        cls, structures: Sequence[Atoms], *, dtype: torch.dtype = torch.float32, device: torch.device | str = "cpu"
    ) -> Self:
        """Collect ASE structures; missing cell vectors are completed to a basis."""
        cells = np.array([atoms.cell.complete().array for atoms in structures]).reshape(-1, 3, 3)
        sizes = torch.tensor([len(atoms) for atoms in structures], dtype=torch.int64)
        positions = np.concatenate([atoms.positions for atoms in structures]) if structures else np.zeros((0, 3))
        numbers = np.concatenate([atoms.numbers for atoms in structures]) if structures else np.zeros(0)
        return cls(
            positions=torch.as_tensor(positions, dtype=dtype, device=device),
            numbers=torch.as_tensor(numbers, dtype=torch.int64, device=device),
            cells=torch.as_tensor(cells, dtype=dtype, device=device),
            periodic=torch.tensor([list(a.pbc) for a in structures], dtype=torch.bool, device=device).reshape(-1, 3),
            structure_of=torch.repeat_interleave(torch.arange(len(structures)), sizes).to(device),
        )

    def to_atoms(self) -> list[Atoms]:
        """ASE structures; those without any periodicity get no cell."""
        positions, numbers = self.positions.double().cpu().numpy(), self.numbers.cpu().numpy()
        cells, periodic = self.cells.double().cpu().numpy(), self.periodic.cpu().numpy()
        ends = np.cumsum(self.sizes.cpu().numpy())
        starts = np.concatenate([[0], ends[:-1]])
        return [
            Atoms(numbers[i:j], positions[i:j], cell=cells[k] if periodic[k].any() else None, pbc=periodic[k])
            for k, (i, j) in enumerate(zip(starts, ends, strict=True))
        ]

    def select(self, keep: Tensor) -> Self:
        """The structures where ``keep`` (n_structures,) bool is true, in the same order."""
        atoms = keep[self.structure_of]
        new_index = torch.cumsum(keep, 0) - 1
        return type(self)(
            positions=self.positions[atoms],
            numbers=self.numbers[atoms],
            cells=self.cells[keep],
            periodic=self.periodic[keep],
            structure_of=new_index[self.structure_of[atoms]],
        )

    def joined(self, other: Self) -> Self:
        """These structures and, after them, the others."""
        return type(self)(
            positions=torch.cat([self.positions, other.positions]),
            numbers=torch.cat([self.numbers, other.numbers]),
            cells=torch.cat([self.cells, other.cells]),
            periodic=torch.cat([self.periodic, other.periodic]),
            structure_of=torch.cat([self.structure_of, other.structure_of + self.n_structures]),
        )

    def moved(self, positions: Tensor, cells: Tensor) -> Self:
        """The same atoms at other positions (n_atoms, 3) in other cells (n_structures, 3, 3)."""
        return replace(self, positions=positions, cells=cells)

    def sum_over_atoms(self, values: Tensor) -> Tensor:
        """Sum (n_atoms, ...) values structure by structure to (n_structures, ...)."""
        out = values.new_zeros((self.n_structures, *values.shape[1:]))
        return out.index_add(0, self.structure_of, values)
