"""Cartesian angular basis and its rotational invariants.

The degree-l monomials of a unit vector are the components of a symmetric Cartesian tensor of rank l, so that sums over
neighbours are such tensors too, and full contractions of them are invariant.
"""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor

N_MONOMIALS: Final = (1, 3, 6, 10)
"""Number of monomials of each degree: a symmetric tensor of rank l in three dimensions has (l+1)(l+2)/2 components."""

# Where each component of the full tensor stands among the monomials.
_MATRIX: Final = ((0, 1, 2), (1, 3, 4), (2, 4, 5))  # xx xy xz yy yz zz
_RANK3: Final = (  # xxx xxy xxz xyy xyz xzz yyy yyz yzz zzz
    ((0, 1, 2), (1, 3, 4), (2, 4, 5)),
    ((1, 3, 4), (3, 6, 7), (4, 7, 8)),
    ((2, 4, 5), (4, 7, 8), (5, 8, 9)),
)
# How many components of the full tensor each monomial fills.
_MULTIPLICITY: Final = ((1,), (1, 1, 1), (1, 2, 2, 1, 2, 1), (1, 3, 3, 3, 6, 3, 1, 3, 3, 1))


def angular_monomials(directions: Tensor, l_max: int) -> Tensor:
    """Monomials of degree 0 to ``l_max`` (at most 3) of unit vectors.

    Args:
        directions: (n_atoms, 3, n_neighbors).

    Returns:
        (n_atoms, n_monomials, n_neighbors), degree by degree.
    """
    x, y, z = directions.unbind(dim=1)
    columns = [torch.ones_like(x), x, y, z]
    if l_max >= 2:
        xx, xy, xz, yy, yz, zz = x * x, x * y, x * z, y * y, y * z, z * z
        columns += [xx, xy, xz, yy, yz, zz]
        if l_max >= 3:
            columns += [xx * x, xx * y, xx * z, x * yy, xy * z, x * zz, yy * y, yy * z, y * zz, zz * z]
    return torch.stack(columns, dim=1)


def invariants_of(tensors: list[Tensor], nu_max: int) -> list[tuple[int, Tensor]]:
    """Full contractions of the symmetric tensors of degree 0 to l_max, in the order of the published potential.

    Args:
        tensors: one per degree l, (n_monomials of l, ...).
        nu_max: highest number of factors, 2 or 3.

    Returns:
        (number of factors, (...)) for each invariant: 3 for l_max = nu_max = 2, 8 for l_max = nu_max = 3.
    """
    scalar, *rest = tensors
    found = [(1, scalar[0])]
    for degree, tensor in enumerate(rest, start=1):
        weights = tensor.new_tensor(_MULTIPLICITY[degree]).reshape(-1, *[1] * (tensor.dim() - 1))
        found.append((2, (weights * tensor * tensor).sum(dim=0)))
    if nu_max >= 3:
        found += [(3, contraction) for contraction in _triple_contractions(*rest)]
    return found


def _triple_contractions(vector: Tensor, matrix: Tensor, rank3: Tensor) -> list[Tensor]:
    """v_i v_j M_ij; M_ij M_jk M_ki; T_ijk M_ij v_k; T_ijk T_ijl M_kl, each of the trailing shape (...)."""
    m, t = matrix[torch.tensor(_MATRIX)], rank3[torch.tensor(_RANK3)]
    # Products are summed over one index at a time: the trailing dimensions are long, the Cartesian ones 3.
    m_dot_m = sum(m[:, k, None] * m[None, k] for k in range(3))
    t_dot_m = sum(t[:, :, k, None] * m[None, None, k] for k in range(3))
    return [
        (vector[:, None] * vector[None] * m).sum(dim=(0, 1)),
        (m_dot_m * m).sum(dim=(0, 1)),
        ((t * m[:, :, None]).sum(dim=(0, 1)) * vector).sum(dim=0),
        (t_dot_m * t).sum(dim=(0, 1, 2)),
    ]
