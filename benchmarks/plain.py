"""The same potential without any of our derivatives: what automatic differentiation makes of the textbook way."""

from __future__ import annotations

import torch

from rm_engine.neighbors import NeighborList
from rm_engine.potential import CACE, Response
from rm_engine.structure import StructureBatch


def respond_plainly(
    potential: CACE, batch: StructureBatch, neighbors: NeighborList, *, differentiable: bool = False
) -> Response:
    """What :func:`rm_engine.potential.evaluate` answers for the bare potential, by automatic differentiation alone.

    Energies are written as a function of positions and of a strain of every structure; forces are minus the gradient by
    the positions, stresses the gradient by the strain over the volume.

    Args:
        potential: the potential.
        batch: crystals.
        neighbors: neighbours within at least the potential's cutoff.
        differentiable: keep the graph, for a second differentiation by the parameters.
    """
    with torch.enable_grad():
        positions = batch.positions.detach().requires_grad_(True)
        strain = torch.zeros_like(batch.cells).requires_grad_(True)
        stretch = torch.eye(3, dtype=strain.dtype, device=strain.device) + (strain + strain.mT) / 2
        strained = torch.einsum("ni,nij->nj", positions, stretch[batch.structure_of])
        moved = batch.moved(strained, batch.cells @ stretch)
        vectors = neighbors.displacements(moved, far=2 * potential.config.cutoff)
        energies = batch.sum_over_atoms(potential(batch.numbers, batch.numbers[neighbors.index], vectors))
        by_position, by_strain = torch.autograd.grad(energies.sum(), (positions, strain), create_graph=differentiable)
    return Response(energies, -by_position, by_strain / batch.volumes[:, None, None])
