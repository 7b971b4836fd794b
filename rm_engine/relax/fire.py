"""The fast inertial relaxation engine (FIRE, DOI 10.1103/PhysRevLett.97.170201), for many structures at once.

Every structure has its own time step, mixing and counter, so it moves as it would alone. The update, its constants
and the order of its parts are those of ASE's ``FIRE``, with which trajectories agree.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from rm_engine.relax.cellfilter import GeneralizedForces
from rm_engine.relax.state import RelaxationState


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


def fire_step(state: RelaxationState, forces: GeneralizedForces, config: FireConfig) -> RelaxationState:
    """Move every structure by one step."""
    batch = state.start

    def dot(atoms: Tensor, other_atoms: Tensor, cell: Tensor, other_cell: Tensor) -> Tensor:
        """(n_structures,) scalar product over all degrees of freedom."""
        return batch.sum_over_atoms((atoms * other_atoms).sum(dim=1)) + (cell * other_cell).sum(dim=(1, 2))

    def on_atoms(factor: Tensor) -> Tensor:
        return factor[batch.structure_of, None]

    power = dot(forces.atoms, state.atom_velocities, forces.cell, state.cell_velocities)
    downhill = power > 0
    # At rest the power is 0, and so the first step counts as uphill for everything but the time step.
    resting = state.n_steps == 0
    force_norm = dot(forces.atoms, forces.atoms, forces.cell, forces.cell).sqrt()
    speed = dot(state.atom_velocities, state.atom_velocities, state.cell_velocities, state.cell_velocities).sqrt()
    keep = torch.where(downhill, 1 - state.mixing, 0.0)
    turn = torch.where(downhill, state.mixing * speed / force_norm.clamp(min=1e-30), 0.0)
    grows = downhill & (state.n_downhill > config.patience)
    time_steps = torch.where(
        grows, (state.time_steps * config.growth).clamp(max=config.largest_time_step), state.time_steps
    )
    time_steps = torch.where(downhill | resting, time_steps, time_steps * config.shrinkage)
    mixing = torch.where(grows, state.mixing * config.mixing_decay, state.mixing)
    mixing = torch.where(downhill, mixing, config.mixing)

    kick = turn + time_steps
    atom_velocities = on_atoms(keep) * state.atom_velocities + on_atoms(kick) * forces.atoms
    cell_velocities = keep[:, None, None] * state.cell_velocities + kick[:, None, None] * forces.cell
    length = time_steps * dot(atom_velocities, atom_velocities, cell_velocities, cell_velocities).sqrt()
    move = time_steps * (config.largest_move / length.clamp(min=1e-30)).clamp(max=1.0)
    per_atom = (move / batch.sizes)[:, None, None]
    return replace(
        state,
        reference_positions=state.reference_positions + on_atoms(move) * atom_velocities,
        deformations=state.deformations + per_atom * cell_velocities,
        atom_velocities=atom_velocities,
        cell_velocities=cell_velocities,
        time_steps=time_steps,
        mixing=mixing,
        n_downhill=torch.where(downhill, state.n_downhill + 1, 0),
        n_steps=state.n_steps + 1,
    )
