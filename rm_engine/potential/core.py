"""An explicit repulsive core below any bond length.

Training noise hardly ever brings two atoms into contact, so what a learned surface does there is extrapolation, and
it has holes into which pairs of atoms fall. The core closes them; at real interatomic distances it is exactly zero.
"""

from __future__ import annotations

import torch
from ase.data import covalent_radii
from torch import Tensor

from rm_engine.potential.radial import norm

_RADII = torch.tensor(covalent_radii, dtype=torch.float64)


def core_repulsion(
    numbers: Tensor, neighbor_numbers: Tensor, vectors: Tensor, *, contact: float, strength: float
) -> tuple[Tensor, Tensor]:
    """Energy and gradient of U = strength (r_c/r - 1)³ / 2 for every neighbour within r_c.

    Args:
        numbers: (n_atoms,) atomic numbers.
        neighbor_numbers: (n_atoms, n_neighbors) theirs.
        vectors: (n_atoms, 3, n_neighbors) to the neighbours, Å.
        contact: r_c as a fraction of the sum of the two covalent radii (DOI 10.1039/b801115j).
        strength: pseudo energy units; a pair is counted from both of its ends, hence the half.

    Returns:
        (n_atoms,) energies and (n_atoms, 3, n_neighbors) gradients by the vectors.
    """
    radii = _RADII.to(vectors)
    others = radii.index_select(0, neighbor_numbers.flatten()).view(neighbor_numbers.shape)
    reach = contact * (radii[numbers][:, None] + others)
    distances = norm(vectors).clamp(min=1e-2)
    excess = (reach / distances - 1).clamp(min=0)
    energies = (strength / 2 * excess**3).sum(dim=1)
    slope = -1.5 * strength * excess**2 * reach / distances**3
    return energies, slope[:, None] * vectors
