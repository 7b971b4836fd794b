"""Radial basis and cutoff."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn


def norm(vectors: Tensor) -> Tensor:
    """Lengths (n_atoms, n_neighbors) of vectors (n_atoms, 3, n_neighbors), much faster than torch's own norm."""
    x, y, z = vectors.unbind(dim=1)
    return (x * x + y * y + z * z).sqrt()


def cutoff_polynomial(x: Tensor) -> Tensor:
    """Smooth cutoff in x = r/cutoff: 1 at 0, with value and first derivative 0 at 1 (DimeNet, arXiv:2003.03123, eq.
    8, p = 2).
    """
    return 1 + x * x * (-6 + x * (8 - 3 * x))


class BesselBasis(nn.Module):
    """Bessel functions with trainable frequencies, times the cutoff.

    R_n(r) = sqrt(2/cutoff) sin(w_n r)/r f(r/cutoff), with w_n starting at n pi/cutoff.
    """

    def __init__(self, n_functions: int, cutoff: float) -> None:
        super().__init__()
        self.cutoff = cutoff
        self.frequencies = nn.Parameter(torch.arange(1, n_functions + 1) * (math.pi / cutoff))

    def forward(self, r: Tensor) -> Tensor:
        """(n_atoms, n_neighbors) distances in Å to (n_atoms, n_functions, n_neighbors); zero beyond the cutoff."""
        r = r.clamp(max=self.cutoff)
        return torch.sin(self.frequencies[:, None] * r[:, None, :]) * self._envelope(r)[:, None, :]

    def slope(self, r: Tensor) -> Tensor:
        """Derivative of the functions by the distance, in the same shapes."""
        r = r.clamp(max=self.cutoff)
        x = r / self.cutoff
        envelope = self._envelope(r)
        fall = (-12 * math.sqrt(2 / self.cutoff) / self.cutoff * x * (1 - x) ** 2 - envelope) / r
        phases = self.frequencies[:, None] * r[:, None, :]
        slopes = torch.cos(phases).mul_(self.frequencies[:, None]).mul_(envelope[:, None, :])
        return slopes.addcmul_(torch.sin(phases), fall[:, None, :])

    def _envelope(self, r: Tensor) -> Tensor:
        """The factor that all functions share; its polynomial has the derivative -12 x (1 - x)²."""
        return math.sqrt(2 / self.cutoff) * cutoff_polynomial(r / self.cutoff) / r
