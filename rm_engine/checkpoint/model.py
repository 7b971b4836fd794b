"""A trained model: its card and its potential."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from rm_engine.checkpoint.calculator import RMCalculator
from rm_engine.potential import CACE
from rm_engine.spec import ModelCard


@dataclass(frozen=True)
class Model:
    """A trained model, ready to use.

    Attributes:
        card: what it is and knows.
        potential: its pseudo energy surface, in single precision.
        device: where the potential lives.
    """

    card: ModelCard
    potential: CACE
    device: torch.device

    def get_calculator(self) -> RMCalculator:
        """An ASE calculator of the pseudo energy surface."""
        return RMCalculator(self.potential, self.device)
