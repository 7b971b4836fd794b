"""Cartesian angular basis and its rotational invariants.

The degree-l monomials of a unit vector are the components of a symmetric Cartesian tensor of rank l, so that sums over
neighbours are such tensors too, and full contractions of them are invariant.
"""

from __future__ import annotations

from itertools import combinations_with_replacement
from typing import Final

import torch
from torch import Tensor

N_MONOMIALS: Final = (1, 3, 6, 10)
"""Number of monomials of each degree: a symmetric tensor of rank l in three dimensions has (l+1)(l+2)/2 components."""

_EXPONENTS: Final = tuple(
    tuple(axes.count(axis) for axis in range(3))
    for degree in range(4)
    for axes in combinations_with_replacement(range(3), degree)
)
"""Powers of x, y, z in each monomial, in the order of :func:`angular_monomials`."""

_DERIVATIVES: Final = tuple(
    (axis, monomial, _EXPONENTS.index(tuple(n - (k == axis) for k, n in enumerate(powers))), powers[axis])
    for monomial, powers in enumerate(_EXPONENTS)
    for axis in range(3)
    if powers[axis]
)
"""A monomial's derivative by an axis is a power times a lower monomial: (axis, monomial, lower monomial, power)."""

# Where each component of the full tensor stands among the monomials.
_MATRIX: Final = ((0, 1, 2), (1, 3, 4), (2, 4, 5))  # xx xy xz yy yz zz
_RANK3: Final = (  # xxx xxy xxz xyy xyz xzz yyy yyz yzz zzz
    ((0, 1, 2), (1, 3, 4), (2, 4, 5)),
    ((1, 3, 4), (3, 6, 7), (4, 7, 8)),
    ((2, 4, 5), (4, 7, 8), (5, 8, 9)),
)
MULTIPLICITY: Final = ((1,), (1, 1, 1), (1, 2, 2, 1, 2, 1), (1, 3, 3, 3, 6, 3, 1, 3, 3, 1))
"""How many components of the full tensor each monomial of a degree fills."""


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


def pull_back_monomials(gradient: Tensor, monomials: Tensor) -> Tensor:
    """The gradient by the three components of a vector that belongs to one by its monomials.

    Args:
        gradient: (n_atoms, n_monomials, n_neighbors).
        monomials: their values, in the same shape.

    Returns:
        (n_atoms, 3, n_neighbors).
    """
    result = torch.zeros_like(gradient[:, :3])
    for axis, monomial, lower, power in _DERIVATIVES:
        if monomial < gradient.shape[1]:
            result[:, axis].addcmul_(gradient[:, monomial], monomials[:, lower], value=power)
    return result


def triple_contractions(vector: Tensor, matrix: Tensor, rank3: Tensor) -> list[Tensor]:
    """Full contractions of three symmetric tensors: v_i v_j M_ij; M_ij M_jk M_ki; T_ijk M_ij v_k; T_ijk T_ijl M_kl.

    Args:
        vector: (3, ...) monomials of degree 1.
        matrix: (6, ...) of degree 2.
        rank3: (10, ...) of degree 3.

    Returns:
        Four tensors of the trailing shape.
    """
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
