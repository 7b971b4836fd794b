"""State of a batched relaxation: the degrees of freedom of every structure and what the optimiser remembers of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, Self

import torch
from torch import Tensor

from rm_engine.structure import StructureBatch, cell_heights, reduce_cell

_THIN = 0.5
"""A cell whose least height is below this fraction of the cube root of its volume may be skewed."""

CellFreedom = Literal["free", "fixed_volume", "fixed"]


@dataclass(frozen=True)
class RelaxationState:
    """Structures under relaxation.

    Atoms and cell are moved in the coordinates of ASE's ``UnitCellFilter`` (Tadmor et al., Phys. Rev. B 59, 235
    (1999)): with the deformation F, cells = reference cells @ F^T and positions = reference positions @ F^T; F counts
    n_atoms-fold, which makes its step comparable to that of the atoms.

    Attributes:
        start: numbers, periodicity and index of the structures; its positions and cells are those of the start.
        reference_cells: (n_structures, 3, 3) Å.
        reference_positions: (n_atoms, 3) Å.
        deformations: (n_structures, 3, 3) F.
        atom_velocities: (n_atoms, 3) of the reference positions.
        cell_velocities: (n_structures, 3, 3) of n_atoms F.
        time_steps: (n_structures,) FIRE's dt.
        mixing: (n_structures,) FIRE's alpha.
        n_downhill: (n_structures,) steps since the power was last negative.
        n_steps: (n_structures,) steps made.
        origin: (n_structures,) row in the batch that was given to relax.
    """

    start: StructureBatch
    reference_cells: Tensor
    reference_positions: Tensor
    deformations: Tensor
    atom_velocities: Tensor
    cell_velocities: Tensor
    time_steps: Tensor
    mixing: Tensor
    n_downhill: Tensor
    n_steps: Tensor
    origin: Tensor

    @classmethod
    def at_rest(cls, batch: StructureBatch, *, time_step: float, mixing: float) -> Self:
        """Structures as they are, without velocity."""
        n = batch.n_structures
        count = torch.zeros(n, dtype=torch.int64, device=batch.cells.device)
        return cls(
            start=batch,
            reference_cells=batch.cells,
            reference_positions=batch.positions,
            deformations=torch.eye(3, dtype=batch.cells.dtype, device=batch.cells.device).repeat(n, 1, 1),
            atom_velocities=torch.zeros_like(batch.positions),
            cell_velocities=torch.zeros_like(batch.cells),
            time_steps=batch.cells.new_full((n,), time_step),
            mixing=batch.cells.new_full((n,), mixing),
            n_downhill=count,
            n_steps=count,
            origin=torch.arange(n, device=batch.cells.device),
        )

    @property
    def structures(self) -> StructureBatch:
        """The structures where they are now."""
        transposed = self.deformations.transpose(1, 2)
        positions = (self.reference_positions[:, None] @ transposed[self.start.structure_of])[:, 0]
        return self.start.moved(positions, self.reference_cells @ transposed)

    @property
    def n_structures(self) -> int:
        """Number of structures still under relaxation."""
        return self.origin.shape[0]

    def with_reduced_cells(self) -> Self:
        """The same lattices with shorter vectors where crystals' cells are skewed; atoms and deformations stay as
        they are.

        A skewed cell is thin, and its atoms then see many images of each other.
        """
        cells = self.structures.cells
        thin = cell_heights(cells).amin(dim=1) < _THIN * torch.linalg.det(cells).abs() ** (1 / 3)
        rows = torch.nonzero(thin & self.start.is_crystal)[:, 0].tolist()
        if not rows:
            return self
        reference_cells = self.reference_cells.clone()
        for row in rows:
            # The integers that shorten the present cell shorten the reference cell to the same lattice.
            reduced = torch.as_tensor(reduce_cell(cells[row].double().cpu().numpy())).to(cells)
            whole = torch.linalg.solve(cells[row], reduced, left=False).round()
            reference_cells[row] = whole @ reference_cells[row]
        return replace(self, reference_cells=reference_cells)

    def with_start_volume(self) -> Self:
        """F scaled to determinant 1: steps along the surface of constant volume leave it to second order."""
        determinants = torch.linalg.det(self.deformations)
        return replace(self, deformations=self.deformations / determinants.clamp(min=1e-3)[:, None, None] ** (1 / 3))

    def select(self, keep: Tensor) -> Self:
        """The state of the structures where ``keep`` (n_structures,) bool is true."""
        atoms = keep[self.start.structure_of]
        per_atom = {"reference_positions", "atom_velocities"}
        changes = {
            name: getattr(self, name)[atoms if name in per_atom else keep]
            for name in self.__dataclass_fields__
            if name != "start"
        }
        return replace(self, start=self.start.select(keep), **changes)
