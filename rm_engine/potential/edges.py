"""The basis of edges, and the way back from it to the vectors between atoms."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from rm_engine.potential.angular import angular_monomials, pull_back_monomials
from rm_engine.potential.radial import BesselBasis, norm


@dataclass(frozen=True)
class EdgeBasis:
    """What each neighbour contributes: (radial function x embedding of its element) x (monomial of its direction).

    Attributes:
        distances: (n_atoms, n_neighbors) Å.
        directions: (n_atoms, 3, n_neighbors) unit vectors.
        sender: (n_atoms, a, n_neighbors) embeddings of the neighbours.
        weighted: (n_atoms, a * n_radial, n_neighbors) radial functions times embeddings.
        monomials: (n_atoms, n_monomials, n_neighbors).
    """

    distances: Tensor
    directions: Tensor
    sender: Tensor
    weighted: Tensor
    monomials: Tensor

    @classmethod
    def of(cls, displacements: Tensor, sender: Tensor, radial: BesselBasis, l_max: int) -> EdgeBasis:
        """The basis of displacements (n_atoms, 3, n_neighbors) to neighbours of embeddings (n_atoms, a, ...)."""
        distances = norm(displacements)
        directions = displacements / distances[:, None]
        weighted = (sender[:, :, None] * radial(distances)[:, None]).flatten(1, 2)
        return cls(distances, directions, sender, weighted, angular_monomials(directions, l_max))

    def sum_over_neighbors(self) -> Tensor:
        """(n_atoms, a * n_radial, n_monomials): for every atom a product of two small matrices."""
        return torch.bmm(self.weighted, self.monomials.transpose(1, 2))

    def pull_back(self, gradient: Tensor, radial: BesselBasis) -> Tensor:
        """The gradient by displacements (n_atoms, 3, n_neighbors) that belongs to one by the sum over neighbours.

        Written out by hand: relaxation spends most of its time here, and automatic differentiation takes twice as long.

        Args:
            gradient: of a scalar by :meth:`sum_over_neighbors`, (n_atoms, a * n_radial, n_monomials).
            radial: the radial functions of :meth:`of`.
        """
        n_atoms, n_channels, n_neighbors = self.sender.shape
        by_weighted = torch.bmm(gradient, self.monomials).reshape(
            n_atoms, n_channels, self.weighted.shape[1] // n_channels, n_neighbors
        )
        by_radial = by_weighted[:, 0] * self.sender[:, 0, None]
        for channel in range(1, n_channels):
            by_radial.addcmul_(by_weighted[:, channel], self.sender[:, channel, None])
        by_distance = by_radial.mul_(radial.slope(self.distances)).sum(dim=1)
        by_monomials = torch.bmm(gradient.transpose(1, 2), self.weighted)
        by_direction = pull_back_monomials(by_monomials, self.monomials)
        # A direction can only turn: what lies along it does not count.
        along = (by_direction * self.directions).sum(dim=1)
        radially: Tensor = by_distance - along / self.distances
        return radially[:, None] * self.directions + by_direction / self.distances[:, None]
