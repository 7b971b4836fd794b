"""The pseudo response that a potential is trained to give (paper, eqs. 8-11)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from rm_engine.neighbors import NeighborList
from rm_engine.response.noise import NoisyBatch
from rm_engine.spec import NoiseSpec
from rm_engine.structure import StructureBatch


@dataclass(frozen=True)
class PseudoResponse:
    """Targets of training.

    Attributes:
        forces: (n_atoms, 3), harmonic plus repulsive.
        stresses: (n_structures, 3, 3), elastic, in ASE's sign: positive when stretched. Meant for crystals only.
    """

    forces: Tensor
    stresses: Tensor


def respond(noisy: NoisyBatch, neighbors: NeighborList, noise: NoiseSpec) -> PseudoResponse:
    """The response to the noise: harmonic forces of force constant 1 (eq. 8), repulsion (eq. 10), elastic stress (eq.
    11).

    Args:
        noisy: shaken structures.
        neighbors: their neighbours within at least ``noise.repulsion_cutoff``.
        noise: constants of the response.
    """
    forces = -noisy.displacements + repulsive_forces(noisy.batch, neighbors, noise)
    return PseudoResponse(forces, elastic_stresses(noisy.deformations, noise.youngs_modulus, noise.poissons_ratio))


def repulsive_forces(batch: StructureBatch, neighbors: NeighborList, noise: NoiseSpec) -> Tensor:
    """(n_atoms, 3) forces -dU/dr_i of the pair energy U = sum over pairs of m (1 - r²/r_c²)^n, r < r_c (eqs. 9, 10)."""
    r_c, m, n = noise.repulsion_cutoff, noise.repulsion_strength, noise.repulsion_exponent
    vectors = neighbors.displacements(batch, far=2 * r_c)  # (n_atoms, 3, n_neighbors), towards the neighbour
    inside = (1 - (vectors * vectors).sum(dim=1) / r_c**2).clamp(min=0)
    push = -2 * n * m / r_c**2 * inside ** (n - 1)
    return (push[:, None] * vectors).sum(dim=2)


def elastic_stresses(deformations: Tensor, youngs_modulus: float, poissons_ratio: float) -> Tensor:
    """Stress of an isotropic elastic body, lambda tr(e) 1 + 2 mu e (eq. 11).

    The strain e = (F^T F - 1)/2 of cells transformed as C1 = C0 F (rows are vectors) belongs to the deformed frame,
    as does the stress of the deformed crystal, so that a rotation in F only turns it.

    Args:
        deformations: (n_structures, 3, 3) F.
        youngs_modulus: Young's modulus.
        poissons_ratio: Poisson's ratio.
    """
    identity = torch.eye(3, dtype=deformations.dtype, device=deformations.device)
    strain = (deformations.transpose(1, 2) @ deformations - identity) / 2
    lame = youngs_modulus * poissons_ratio / ((1 + poissons_ratio) * (1 - 2 * poissons_ratio))
    shear = youngs_modulus / (2 * (1 + poissons_ratio))
    trace = strain.diagonal(dim1=1, dim2=2).sum(dim=1)
    return lame * trace[:, None, None] * identity + 2 * shear * strain
