"""State of a batched relaxation: the degrees of freedom of every structure and what the optimiser remembers of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal, Self

import torch
from torch import Tensor

from rm_engine.structure import StructureBatch, reduce_cell

CellFreedom = Literal["free", "fixed_volume", "fixed"]


@dataclass(frozen=True)
class RelaxationState:
    """Structures under relaxation.

    Atoms and cell are moved in the coordinates of ASE's ``UnitCellFilter`` (Tadmor et al., Phys. Rev. B 59, 235
    (1999)): with the deformation F, cells = reference cells @ F^T and positions = reference positions @ F^T; F counts
    n_atoms-fold, which makes its step comparable to that of the atoms. Both are rows of one tensor, n_rows = n_atoms +
    3 n_structures: first the atoms of all structures, then the rows of their n_atoms F.

    Attributes:
        reference: numbers, periodicity and index of the structures, and the reference cells; its positions are those
            of the start.
        structure_of_row: (n_rows,) index of the structure of each row.
        coordinates: (n_rows, 3) reference positions, Å, and n_atoms F.
        velocities: (n_rows, 3) of ``coordinates``.
        history: (n_rows, n_slots, 3) L-BFGS's last coordinates, forces and changes of both.
        time_steps: (n_structures,) FIRE's dt.
        mixing: (n_structures,) FIRE's alpha.
        n_downhill: (n_structures,) steps since the power was last negative.
        n_steps: (n_structures,) steps made.
        origin: (n_structures,) row in the batch that was given to relax.
    """

    reference: StructureBatch
    structure_of_row: Tensor
    coordinates: Tensor
    velocities: Tensor
    history: Tensor
    time_steps: Tensor
    mixing: Tensor
    n_downhill: Tensor
    n_steps: Tensor
    origin: Tensor

    @classmethod
    def at_rest(
        cls, batch: StructureBatch, origin: Tensor, *, time_step: float = 0.0, mixing: float = 0.0, n_slots: int = 0
    ) -> Self:
        """Structures as they are, without velocity or history."""
        n = batch.n_structures
        identity = torch.eye(3, dtype=batch.cells.dtype, device=batch.cells.device)
        deformations = batch.sizes[:, None, None] * identity
        coordinates = torch.cat([batch.positions, deformations.flatten(0, 1)])
        count = torch.zeros(n, dtype=torch.int64, device=batch.cells.device)
        return cls(
            reference=batch,
            structure_of_row=_structure_of_row(batch),
            coordinates=coordinates,
            velocities=torch.zeros_like(coordinates),
            history=coordinates.new_zeros((len(coordinates), n_slots, 3)),
            time_steps=batch.cells.new_full((n,), time_step),
            mixing=batch.cells.new_full((n,), mixing),
            n_downhill=count,
            n_steps=count,
            origin=origin,
        )

    @property
    def n_structures(self) -> int:
        """Number of structures."""
        return self.origin.shape[0]

    @property
    def reference_positions(self) -> Tensor:
        """(n_atoms, 3) Å."""
        return self.coordinates[: self.reference.n_atoms]

    @cached_property
    def deformations(self) -> Tensor:
        """(n_structures, 3, 3) F."""
        rows = self.coordinates[self.reference.n_atoms :]
        return rows.view(-1, 3, 3) / self.reference.sizes[:, None, None]

    @cached_property
    def determinants(self) -> Tensor:
        """(n_structures,) of F: volumes of cells relative to the start, negative where a cell has turned over."""
        a, b, c = self.deformations.unbind(dim=1)
        determinants: Tensor = (a * torch.linalg.cross(b, c)).sum(dim=1)
        return determinants

    def find_largest(self, values: Tensor) -> Tensor:
        """(n_structures,) largest of values (n_rows,) >= 0 over all degrees of freedom of a structure."""
        return values.new_zeros(self.n_structures).scatter_reduce(0, self.structure_of_row, values, "amax")

    @cached_property
    def structures(self) -> StructureBatch:
        """The structures where they are now."""
        transposed = self.deformations.transpose(1, 2)
        positions = (self.reference_positions[:, None] @ transposed[self.reference.structure_of])[:, 0]
        return self.reference.moved(positions, self.reference.cells @ transposed)

    def with_reduced_cells(self, chosen: Tensor) -> Self:
        """The same lattices with shorter vectors in the cells where ``chosen`` (n_structures,) bool is true; atoms and
        deformations stay as they are.
        """
        cells, reference_cells = self.structures.cells, self.reference.cells.clone()
        for row in torch.nonzero(chosen)[:, 0].tolist():
            # The integers that shorten the present cell shorten the reference cell to the same lattice.
            reduced = torch.as_tensor(reduce_cell(cells[row].double().cpu().numpy())).to(cells)
            whole = torch.linalg.solve(cells[row], reduced, left=False).round()
            reference_cells[row] = whole @ reference_cells[row]
        return replace(self, reference=self.reference.moved(self.reference.positions, reference_cells))

    def with_start_volume(self) -> Self:
        """F scaled to determinant 1: steps along the surface of constant volume leave it to second order."""
        determinants = self.determinants.clamp(min=1e-3)
        of_atoms = torch.ones_like(self.coordinates[: self.reference.n_atoms, 0])
        scale = torch.cat([of_atoms, determinants.repeat_interleave(3) ** (-1 / 3)])
        return replace(self, coordinates=self.coordinates * scale[:, None])

    def select(self, keep: Tensor) -> Self:
        """The state of the structures where ``keep`` (n_structures,) bool is true."""
        rows = keep[self.structure_of_row]
        reference = self.reference.select(keep)
        return type(self)(
            reference,
            _structure_of_row(reference),
            *(table[rows] for table in self._per_row),
            *(column[keep] for column in self._per_structure),
        )

    def joined(self, other: Self) -> Self:
        """These structures and, after them, the others."""
        reference = self.reference.joined(other.reference)
        n_atoms, n_others = self.reference.n_atoms, other.reference.n_atoms
        tables = zip(self._per_row, other._per_row, strict=True)
        return type(self)(
            reference,
            _structure_of_row(reference),
            *(torch.cat([a[:n_atoms], b[:n_others], a[n_atoms:], b[n_others:]]) for a, b in tables),
            *(torch.cat(pair) for pair in zip(self._per_structure, other._per_structure, strict=True)),
        )

    @property
    def _per_row(self) -> tuple[Tensor, ...]:
        return self.coordinates, self.velocities, self.history

    @property
    def _per_structure(self) -> tuple[Tensor, ...]:
        return self.time_steps, self.mixing, self.n_downhill, self.n_steps, self.origin


def _structure_of_row(batch: StructureBatch) -> Tensor:
    structures = torch.arange(batch.n_structures, device=batch.cells.device)
    return torch.cat([batch.structure_of, structures.repeat_interleave(3)])
