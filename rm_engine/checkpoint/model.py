"""A trained model: its card and its potentials."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from rm_engine.checkpoint.calculator import RMCalculator
from rm_engine.neighbors import build_neighbor_list
from rm_engine.potential import CACE, estimate_energies
from rm_engine.spec import ModelCard
from rm_engine.structure import StructureBatch


@dataclass(frozen=True)
class Model:
    """A trained model, ready to use.

    Attributes:
        card: what it is and knows.
        potential: its pseudo energy surface, in single precision.
        device: where the potential lives.
        formation: the potential whose energy estimates formation energies; None where the model has none.
        memory_budget: bytes that structures may take which relax together; None takes what suits the device.
    """

    card: ModelCard
    potential: CACE
    device: torch.device
    formation: CACE | None = None
    memory_budget: int | None = None

    def estimate_formation_energies(self, batch: StructureBatch) -> Tensor | None:
        """(n_structures,) estimates of formation energies, eV/atom; None where the model gives none."""
        if self.formation is None:
            return None
        neighbors = build_neighbor_list(batch, self.formation.config.cutoff)
        return estimate_energies(self.formation, batch, neighbors) / batch.sizes

    def get_calculator(self) -> RMCalculator:
        """An ASE calculator of the pseudo energy surface."""
        return RMCalculator(self.potential, self.device)
