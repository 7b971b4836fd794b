"""Neighbours of structures under relaxation, with a skin, so that the list need not be built at every step."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

import torch
from torch import Tensor

from rm_engine.neighbors import NeighborList, build_neighbor_list
from rm_engine.relax.state import RelaxationState
from rm_engine.structure import StructureBatch


@dataclass(frozen=True)
class SkinnedNeighbors:
    """Neighbours within cutoff + skin of where each structure was when its list was built.

    Attributes:
        list: the neighbours.
        positions: (n_atoms, 3) reference positions at that time, Å.
        inverses: (n_structures, 3, 3) inverses of the deformations at that time.
        cutoff: radius that the list must answer for, Å.
        skin: Å beyond it.
    """

    list: NeighborList
    positions: Tensor
    inverses: Tensor
    cutoff: float
    skin: float

    @classmethod
    def none(cls, batch: StructureBatch, cutoff: float, skin: float) -> Self:
        """Room for the lists of a batch; all of them are due."""
        device = batch.cells.device
        table = NeighborList(
            index=torch.zeros((batch.n_atoms, 1), dtype=torch.int64, device=device),
            image=batch.positions.new_zeros((batch.n_atoms, 1, 3)),
            present=torch.zeros((batch.n_atoms, 1), dtype=torch.bool, device=device),
        )
        return cls(table, batch.positions, torch.zeros_like(batch.cells), cutoff, skin)

    def is_due(self, state: RelaxationState) -> Tensor:
        """(n_structures,) bool, whether a pair that is not in the list may have come within the cutoff.

        With M the change of the cell, a pair vector d became M d plus the two atoms' own moves u. Outside the list
        |d| was at least cutoff + skin, so |M d + u_j - u_i| >= (1 - |M - 1|)(cutoff + skin) - 2 max|u|, in Frobenius
        norm.
        """
        deformations, structure_of = state.deformations, state.reference.structure_of
        change = deformations @ self.inverses - torch.eye(3, dtype=deformations.dtype, device=deformations.device)
        distortion = torch.linalg.vector_norm(change, dim=(1, 2))
        own = (state.reference_positions - self.positions)[:, None] @ deformations.transpose(1, 2)[structure_of]
        moves = torch.linalg.vector_norm(own[:, 0], dim=1)
        largest = torch.zeros_like(distortion).scatter_reduce(0, structure_of, moves, "amax")
        reach: Tensor = (1 - distortion) * (self.cutoff + self.skin) - 2 * largest
        return ~(reach >= self.cutoff)

    def renewed(self, due: Tensor, state: RelaxationState) -> Self:
        """The lists built again, where ``due`` (n_structures,) bool is true, for where the structures are now."""
        rows = torch.nonzero(due[state.reference.structure_of])[:, 0]
        renewed = build_neighbor_list(state.structures.select(due), self.cutoff + self.skin)
        positions, inverses = self.positions.clone(), self.inverses.clone()
        positions[rows] = state.reference_positions[rows]
        inverses[due] = torch.linalg.inv(state.deformations[due])
        return replace(self, list=_put(renewed, rows, self.list), positions=positions, inverses=inverses)

    def select(self, keep: Tensor, batch: StructureBatch) -> Self:
        """The lists of the structures of ``batch`` where ``keep`` (n_structures,) bool is true."""
        atoms = keep[batch.structure_of]
        return replace(
            self, list=self.list.select(atoms), positions=self.positions[atoms], inverses=self.inverses[keep]
        )

    def joined(self, newcomers: StructureBatch) -> Self:
        """Room for more structures after these; their lists are due."""
        positions = torch.cat([self.positions, newcomers.positions])
        inverses = torch.cat([self.inverses, torch.zeros_like(newcomers.cells)])
        tables = (self.list.index, self.list.image, self.list.present)
        wider = (torch.cat([table, table.new_zeros((newcomers.n_atoms, *table.shape[1:]))]) for table in tables)
        return replace(self, list=NeighborList(*wider), positions=positions, inverses=inverses)


def _put(renewed: NeighborList, rows: Tensor, table: NeighborList) -> NeighborList:
    """The table with ``rows`` (n_rows,) taken from a list of just these atoms; the same table where that is as wide."""
    used = renewed.index.shape[1]
    if used > table.index.shape[1]:
        return table.replaced(rows, renewed)
    table.index[rows, :used] = rows[renewed.index]
    table.image[rows, :used] = renewed.image
    table.present[rows] = False  # where nothing is present, the rest does not matter
    table.present[rows, :used] = renewed.present
    return table
