"""Noise on structures: what the response is a response to."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from rm_engine.spec import NoiseSpec
from rm_engine.structure import StructureBatch

_N_SCALINGS = 11


@dataclass(frozen=True)
class NoisyBatch:
    """Shaken structures with what was done to them.

    Attributes:
        batch: the shaken structures.
        displacements: (n_atoms, 3) how far each atom was moved from its (strained) site, Å; their mean over a
            structure is zero, because no potential can answer to a translation.
        deformations: (n_structures, 3, 3) F with new cell = old cell @ F; the identity unless fully periodic.
    """

    batch: StructureBatch
    displacements: Tensor
    deformations: Tensor


def shake(batch: StructureBatch, noise: NoiseSpec, generator: torch.Generator) -> NoisyBatch:
    """Strain the cells of crystals and displace all atoms.

    Args:
        batch: structures at equilibrium.
        noise: amplitudes.
        generator: source of randomness, on the CPU, so that a seed means the same noise on every device.
    """
    cells, device = batch.cells, batch.cells.device

    def uniform(*shape: int) -> Tensor:
        """Uniform in [-0.5, 0.5)."""
        return (torch.rand(shape, generator=generator) - 0.5).to(cells)

    def choose(values: Tensor) -> Tensor:
        """One of the values for each structure."""
        picked = torch.randint(values.shape[0], (batch.n_structures,), generator=generator)
        return values[picked].to(cells)

    scaling = 1 + choose(torch.linspace(-noise.largest_scaling, noise.largest_scaling, _N_SCALINGS))
    length = batch.volumes ** (1 / 3)
    strained = cells * scaling[:, None, None] + uniform(*cells.shape) * (noise.cell_noise * length)[:, None, None]
    identity = torch.eye(3, dtype=cells.dtype, device=device)
    deformations = torch.where(batch.is_crystal[:, None, None], torch.linalg.solve(cells, strained), identity)

    amplitudes = choose(torch.tensor(noise.amplitudes))
    displacements = uniform(batch.n_atoms, 3) * amplitudes[batch.structure_of, None]
    means = batch.sum_over_atoms(displacements) / batch.sizes[:, None]
    displacements = displacements - means[batch.structure_of]
    sites = (batch.positions[:, None, :] @ deformations[batch.structure_of])[:, 0]
    return NoisyBatch(batch.moved(sites + displacements, cells @ deformations), displacements, deformations)
