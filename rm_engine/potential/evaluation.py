"""Energy, forces and stress of a batch from the gradient by neighbour vectors."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from rm_engine.neighbors import NeighborList
from rm_engine.potential.cace import CACE
from rm_engine.potential.compiled import compile_potential
from rm_engine.potential.core import core_repulsion
from rm_engine.structure import StructureBatch


@dataclass(frozen=True)
class Response:
    """What a potential answers, in pseudo units.

    Attributes:
        energies: (n_structures,).
        forces: (n_atoms, 3), minus the gradient by position.
        stresses: (n_structures, 3, 3), the gradient by strain over the volume (ASE's sign); zero unless fully periodic.
    """

    energies: Tensor
    forces: Tensor
    stresses: Tensor


def evaluate(
    potential: CACE, batch: StructureBatch, neighbors: NeighborList, *, bare: bool = False, differentiable: bool = False
) -> Response:
    """Energy, forces and stress of every structure.

    With g_ij = dE/d(r_j - r_i): F_i = sum_j g_ij - sum_j g_ji and V stress = sum_ij (r_j - r_i) (x) g_ij, so that no
    strain variable is needed and positions need no gradient.

    Args:
        potential: the potential; all atomic numbers must be among its elements.
        batch: the structures.
        neighbors: neighbours within at least the potential's cutoff; what lies beyond it does not count.
        bare: leave out the repulsive core, which is not learned (training).
        differentiable: keep the graph, so that the answer can be differentiated by the parameters (training).
    """
    compiled = compile_potential(potential)
    if compiled is not None and differentiable:
        return _respond(batch, *compiled.differentiable(potential, batch, neighbors, bare=bare))
    if compiled is not None:
        return _respond(batch, *compiled.evaluate(batch, neighbors, bare=bare))
    neighbor_numbers, vectors = _edges(potential, batch, neighbors)
    differentiate = _energies_with_graph if differentiable else _energies_by_hand
    atomic, gradient = differentiate(potential, batch.numbers, neighbor_numbers, vectors)
    config = potential.config
    if config.core_contact > 0 and not bare:
        core, push = core_repulsion(
            batch.numbers, neighbor_numbers, vectors, contact=config.core_contact, strength=config.core_strength
        )
        atomic, gradient = atomic + core, gradient + push
    energies = batch.sum_over_atoms(atomic)
    # Component by component: scattering rows of three is ten times slower.
    by_component = gradient.transpose(0, 1).flatten(1)
    reaction = gradient.new_zeros(3, batch.n_atoms).scatter_add(
        1, neighbors.index.flatten().expand_as(by_component), by_component
    )
    forces = gradient.sum(dim=2) - reaction.t()
    return _respond(batch, energies, forces, batch.sum_over_atoms(torch.bmm(vectors, gradient.transpose(1, 2))))


def _respond(batch: StructureBatch, energies: Tensor, forces: Tensor, virials: Tensor) -> Response:
    """The answer in the batch's precision; virials (n_structures, 3, 3)."""
    volumes = torch.where(batch.is_crystal, batch.volumes, torch.inf)
    stresses = (virials + virials.transpose(1, 2)) / (2 * volumes[:, None, None])
    return Response(*(part.to(batch.positions.dtype) for part in (energies, forces, stresses)))


def estimate_energies(potential: CACE, batch: StructureBatch, neighbors: NeighborList) -> Tensor:
    """(n_structures,) energies without the repulsive core, differentiable by the parameters where gradients are on.

    Arguments as in :func:`evaluate`.
    """
    trains = torch.is_grad_enabled() and any(weight.requires_grad for weight in potential.parameters())
    compiled = compile_potential(potential)
    if compiled is not None:
        energies, _, _ = (
            compiled.differentiable(potential, batch, neighbors, bare=True, forces=False)
            if trains
            else compiled.evaluate(batch, neighbors, bare=True, forces=False)
        )
        return energies.to(batch.positions.dtype)
    return batch.sum_over_atoms(potential(batch.numbers, *_edges(potential, batch, neighbors)))


def _edges(potential: CACE, batch: StructureBatch, neighbors: NeighborList) -> tuple[Tensor, Tensor]:
    """Atomic numbers of the neighbours (n_atoms, n_neighbors) and the vectors to them (n_atoms, 3, n_neighbors)."""
    vectors = neighbors.displacements(batch, far=2 * potential.config.cutoff)
    return batch.numbers.index_select(0, neighbors.index.flatten()).view_as(neighbors.index), vectors


def _energies_with_graph(
    potential: CACE, numbers: Tensor, neighbor_numbers: Tensor, vectors: Tensor
) -> tuple[Tensor, Tensor]:
    """Atomic energies and their gradient by the vectors, both differentiable by the parameters."""
    with torch.enable_grad():
        vectors = vectors.detach().requires_grad_(True)
        atomic = potential(numbers, neighbor_numbers, vectors)
        (gradient,) = torch.autograd.grad(atomic.sum(), vectors, create_graph=True)
    return atomic, gradient


def _energies_by_hand(
    potential: CACE, numbers: Tensor, neighbor_numbers: Tensor, vectors: Tensor
) -> tuple[Tensor, Tensor]:
    """The same without a graph, and faster: automatic down to the atoms, by hand from there to the edges."""
    with torch.no_grad():
        edges = potential.edge_basis(neighbor_numbers, vectors)
        atomic_basis = edges.sum_over_neighbors()
    with torch.enable_grad():
        atomic = potential.atomic_energies(numbers, atomic_basis.requires_grad_(True))
        (gradient,) = torch.autograd.grad(atomic.sum(), atomic_basis)
    with torch.no_grad():
        return atomic.detach(), edges.pull_back(gradient, potential.radial)
