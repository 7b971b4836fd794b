"""A neighbour list with a skin, so that it need not be built at every step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from rm_engine.neighbors.padded import NeighborList, build_neighbor_list
from rm_engine.structure import StructureBatch


@dataclass(frozen=True)
class SkinnedNeighbors:
    """Neighbours within cutoff + skin of where the structures were when each was last looked at.

    Attributes:
        neighbors: the list.
        built_at: the structures at that time.
        cutoff: radius that the list must answer for, Å.
        skin: Å beyond it.
    """

    neighbors: NeighborList
    built_at: StructureBatch
    cutoff: float
    skin: float

    @classmethod
    def build(cls, batch: StructureBatch, cutoff: float, skin: float) -> Self:
        """Build the list for all structures."""
        return cls(build_neighbor_list(batch, cutoff + skin), batch, cutoff, skin)

    def is_stale(self, batch: StructureBatch) -> Tensor:
        """(n_structures,) bool, whether a pair that is not in the list may have come within the cutoff.

        With M the change of the cell, a pair vector d became M d plus the two atoms' own moves u. Outside the list
        |d| was at least cutoff + skin, so |M d + u_j - u_i| >= (1 - |M - 1|)(cutoff + skin) - 2 max|u|, in Frobenius
        norm.
        """
        change = torch.linalg.solve(self.built_at.cells, batch.cells)
        identity = torch.eye(3, dtype=change.dtype, device=change.device)
        distortion = torch.linalg.matrix_norm(change - identity)
        carried = (self.built_at.positions[:, None] @ change[batch.structure_of])[:, 0]
        moves = torch.linalg.vector_norm(batch.positions - carried, dim=1)
        largest = torch.zeros_like(distortion).scatter_reduce(0, batch.structure_of, moves, "amax")
        reach: Tensor = (1 - distortion) * (self.cutoff + self.skin) - 2 * largest
        return reach < self.cutoff

    def refresh(self, batch: StructureBatch) -> Self:
        """The list for structures that have moved; only those that need it are looked at again."""
        stale = self.is_stale(batch)
        if not bool(stale.any()):
            return self
        atoms = stale[batch.structure_of]
        renewed = build_neighbor_list(batch.select(stale), self.cutoff + self.skin)
        built_at = batch.moved(
            torch.where(atoms[:, None], batch.positions, self.built_at.positions),
            torch.where(stale[:, None, None], batch.cells, self.built_at.cells),
        )
        return type(self)(
            self.neighbors.replaced(torch.nonzero(atoms)[:, 0], renewed), built_at, self.cutoff, self.skin
        )

    def select(self, keep: Tensor) -> Self:
        """The list of the structures where ``keep`` (n_structures,) bool is true."""
        atoms = keep[self.built_at.structure_of]
        return type(self)(self.neighbors.select(atoms), self.built_at.select(keep), self.cutoff, self.skin)
