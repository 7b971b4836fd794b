"""Langevin dynamics that cools down, for many structures at once: simulated annealing on the way to a minimum.

BAOAB (Leimkuhler & Matthews, DOI 10.1093/amrx/abs010) with unit masses, atoms and cell alike; a step ends between the
two kicks that the same force gives, so each costs one force call.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from rm_engine.relax.noise import draw_normal, find_keys
from rm_engine.relax.state import RelaxationState
from rm_engine.structure import StructureBatch


@dataclass(frozen=True)
class LangevinConfig:
    """Constants of the dynamics. Where an atom is held with k = 1, as the surface was taught, a period takes 2 pi.

    Attributes:
        n_steps: in which it cools down, linearly.
        temperature: k T at the first step, pseudo units.
        final_temperature: at the last.
        time_step: of each step.
        friction: per unit of time.
        largest_move: Å; rows that would fly further in a step are slowed down.
    """

    n_steps: int
    temperature: float = 0.05
    final_temperature: float = 0.0
    time_step: float = 0.2
    friction: float = 0.2
    largest_move: float = 0.2

    def begin(self, batch: StructureBatch, origin: Tensor) -> RelaxationState:
        """See :class:`rm_engine.relax.optimizer.Optimizer`."""
        return RelaxationState.at_rest(batch, origin)

    def step(self, state: RelaxationState, forces: Tensor) -> RelaxationState:
        """See :class:`rm_engine.relax.optimizer.Optimizer`."""
        of_row = state.structure_of_row
        kicks = torch.where(state.n_steps > 0, self.time_step, self.time_step / 2)[of_row, None]
        kicked = state.velocities + kicks * forces
        speeds = torch.linalg.vector_norm(kicked, dim=1, keepdim=True)
        kicked = kicked * (self.largest_move / (self.time_step * speeds)).clamp(max=1.0)
        cooled = self.temperature + (self.final_temperature - self.temperature) * state.n_steps / self.n_steps
        kept = math.exp(-self.friction * self.time_step)
        spread = torch.sqrt((1 - kept**2) * cooled)[of_row, None].to(forces)
        # What has no force has no place to go: cells that are kept, and atoms.
        noise = torch.where((forces != 0).any(dim=1, keepdim=True), _draw_noise(state).to(forces), 0.0)
        velocities = kept * kicked + spread * noise
        return replace(
            state,
            coordinates=state.coordinates + self.time_step / 2 * (kicked + velocities),
            velocities=velocities,
            n_steps=state.n_steps + 1,
        )


def _draw_noise(state: RelaxationState) -> Tensor:
    """(n_rows, 3) float64."""
    reference, of_row = state.reference, state.structure_of_row
    sizes = reference.sizes
    firsts = torch.cumsum(sizes, 0) - sizes
    rows = torch.arange(len(of_row), device=of_row.device)
    # Row in the structure: its atoms, then the rows of its cell.
    own = torch.where(
        rows < reference.n_atoms, rows - firsts[of_row], rows - reference.n_atoms - 3 * of_row + sizes[of_row]
    )
    counters = 3 * ((sizes + 3) * state.n_steps)[of_row] + 3 * own
    axes = torch.arange(3, device=of_row.device)
    return draw_normal(find_keys(reference)[of_row, None], counters[:, None] + axes)
