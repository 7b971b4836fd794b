"""The fast inertial relaxation engine (FIRE, DOI 10.1103/PhysRevLett.97.170201), for many structures at once.

Every structure has its own time step, mixing and counter, so it moves as it would alone. The update, its constants
and the order of its parts are those of ASE's ``FIRE``, with which trajectories agree.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import torch
from torch import Tensor

from rm_engine.relax.state import RelaxationState
from rm_engine.structure import StructureBatch

_TINY: Final = 1e-30
"""Keeps a division by zero out; nothing that moves is as slow."""


@dataclass(frozen=True)
class FireConfig:
    """Constants of FIRE, ASE's by default.

    Attributes:
        time_step: first dt.
        largest_time_step: dt never grows beyond it.
        largest_move: Å; a step longer than that over all degrees of freedom of a structure is shortened to it.
        patience: downhill steps before dt grows.
        growth: factor of dt then.
        shrinkage: factor of dt after an uphill step.
        mixing: alpha after an uphill step.
        mixing_decay: factor of alpha with every growth of dt.
    """

    time_step: float = 0.1
    largest_time_step: float = 1.0
    largest_move: float = 0.2
    patience: int = 5
    growth: float = 1.1
    shrinkage: float = 0.5
    mixing: float = 0.1
    mixing_decay: float = 0.99

    def begin(self, batch: StructureBatch, origin: Tensor) -> RelaxationState:
        """See :class:`rm_engine.relax.optimizer.Optimizer`."""
        return RelaxationState.at_rest(batch, origin, time_step=self.time_step, mixing=self.mixing)

    def step(self, state: RelaxationState, forces: Tensor) -> RelaxationState:
        """See :class:`rm_engine.relax.optimizer.Optimizer`."""
        return fire_step(state, forces, self)


def fire_step(state: RelaxationState, forces: Tensor, config: FireConfig) -> RelaxationState:
    """Move every structure by one step, on forces (n_rows, 3)."""
    velocities = state.velocities
    products = torch.stack([forces * velocities, forces.square(), velocities.square()]).sum(dim=2)
    # (n_structures,) scalar products over all degrees of freedom
    power, force2, speed2 = products.new_zeros(3, state.n_structures).index_add(1, state.structure_of_row, products)
    downhill = power > 0
    # At rest the power is 0, and so the first step counts as uphill for everything but the time step.
    resting = state.n_steps == 0
    keep = torch.where(downhill, 1 - state.mixing, 0.0)
    turn = torch.where(downhill, state.mixing * (speed2 / force2.clamp(min=_TINY)).sqrt(), 0.0)
    grows = downhill & (state.n_downhill > config.patience)
    time_steps = torch.where(
        grows, (state.time_steps * config.growth).clamp(max=config.largest_time_step), state.time_steps
    )
    time_steps = torch.where(downhill | resting, time_steps, time_steps * config.shrinkage)
    mixing = torch.where(grows, state.mixing * config.mixing_decay, state.mixing)

    kick = turn + time_steps
    # No term is negative, so nothing is lost by not summing over the new velocities.
    speed = (keep.square() * speed2 + 2 * keep * kick * power + kick.square() * force2).sqrt()
    move = time_steps * (config.largest_move / (time_steps * speed).clamp(min=_TINY)).clamp(max=1.0)
    of_rows = torch.stack([keep, kick, move]).index_select(1, state.structure_of_row)[:, :, None]
    velocities = of_rows[0] * velocities + of_rows[1] * forces
    return replace(
        state,
        coordinates=state.coordinates + of_rows[2] * velocities,
        velocities=velocities,
        time_steps=time_steps,
        mixing=torch.where(downhill, mixing, config.mixing),
        n_downhill=torch.where(downhill, state.n_downhill + 1, 0),
        n_steps=state.n_steps + 1,
    )
