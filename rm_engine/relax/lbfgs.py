"""L-BFGS (Liu & Nocedal, DOI 10.1007/BF01589116) without line search, for many structures at once.

The two loops run on coefficients: a step is a combination of remembered changes and the force, and all scalar products
that the loops need are taken together (Chen, Wang & Zhou, Adv. Neural Inf. Process. Syst. 27, 1332 (2014)).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import torch
from torch import Tensor

from rm_engine.relax.state import RelaxationState
from rm_engine.structure import StructureBatch

_LEAST_CURVATURE: Final = 0.05
"""Changes along which the surface is flatter than that, or curved downwards, say nothing of a minimum."""


@dataclass(frozen=True)
class LBFGSConfig:
    """Constants of L-BFGS.

    Attributes:
        n_pairs: changes of coordinates and forces that are remembered.
        largest_move: Å; a step in which a row is longer is shortened.
    """

    n_pairs: int = 8
    largest_move: float = 0.2

    def begin(self, batch: StructureBatch, origin: Tensor) -> RelaxationState:
        """See :class:`rm_engine.relax.optimizer.Optimizer`."""
        return RelaxationState.at_rest(batch, origin, n_slots=2 + 2 * self.n_pairs)

    def step(self, state: RelaxationState, forces: Tensor) -> RelaxationState:
        """See :class:`rm_engine.relax.optimizer.Optimizer`."""
        changes = _remember(state, forces, self.n_pairs)
        vectors = torch.cat([changes, forces[:, None]], dim=1)
        products = torch.einsum("iac,ibc->iab", vectors, vectors).double()
        size = products.shape[1]
        gram = products.new_zeros(state.n_structures, size, size).index_add(0, state.structure_of_row, products)
        coefficients = _find_direction(gram).to(forces)
        direction = (coefficients[state.structure_of_row][:, :, None] * vectors).sum(dim=1)
        longest = state.find_largest(torch.linalg.vector_norm(direction, dim=1))
        scale = (self.largest_move / longest).clamp(max=1.0)
        return replace(
            state,
            coordinates=state.coordinates + scale[state.structure_of_row, None] * direction,
            history=torch.cat([state.coordinates[:, None], forces[:, None], changes], dim=1),
            n_steps=state.n_steps + 1,
        )


def _remember(state: RelaxationState, forces: Tensor, n_pairs: int) -> Tensor:
    """(n_rows, 2 n_pairs, 3) changes of coordinates, the last one first, then those of minus the forces."""
    last, last_forces, changes = state.history[:, :1], state.history[:, 1:2], state.history[:, 2:]
    has_moved = (state.n_steps > 0)[state.structure_of_row][:, None, None]
    moves = torch.where(has_moved, state.coordinates[:, None] - last, 0.0)
    responses = torch.where(has_moved, last_forces - forces[:, None], 0.0)
    return torch.cat([moves, changes[:, : n_pairs - 1], responses, changes[:, n_pairs:-1]], dim=1)


def _find_direction(gram: Tensor) -> Tensor:
    """(n_structures, 2 n_pairs + 1) coefficients of the step.

    Args:
        gram: (n_structures, 2 n_pairs + 1, 2 n_pairs + 1) scalar products of the moves, the responses and the force.
    """
    n_pairs = gram.shape[1] // 2
    rows = torch.arange(n_pairs, device=gram.device)
    curvatures, squares = gram[:, rows, rows + n_pairs], gram[:, rows, rows]
    is_used = curvatures > _LEAST_CURVATURE * squares
    inverses = torch.where(is_used, 1 / curvatures, 0.0)
    coefficients = torch.zeros_like(gram[:, 0])
    coefficients[:, -1] = 1
    taken = torch.zeros_like(curvatures)
    for k in range(n_pairs):
        taken[:, k] = inverses[:, k] * (gram[:, k] * coefficients).sum(dim=1)
        coefficients[:, n_pairs + k] -= taken[:, k]
    newest = is_used.int().argmax(dim=1, keepdim=True)
    softness = curvatures.gather(1, newest) / gram[:, rows + n_pairs, rows + n_pairs].gather(1, newest)
    coefficients *= torch.where(is_used.any(dim=1, keepdim=True), softness, 1.0)
    for k in reversed(range(n_pairs)):
        back = inverses[:, k] * (gram[:, n_pairs + k] * coefficients).sum(dim=1)
        coefficients[:, k] += taken[:, k] - back
    return coefficients
