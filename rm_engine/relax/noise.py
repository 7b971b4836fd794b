"""Normal noise that follows from where a structure started and from the step: the same in whatever company it flies,
and in the kernel. A counter is hashed (SplitMix64, DOI 10.1145/2714064.2660195), so nothing needs to be remembered.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rm_engine.structure import StructureBatch

_GOLDEN: Final = 0x9E3779B97F4A7C15 - 2**64
_FACTORS: Final = ((30, 0xBF58476D1CE4E5B9 - 2**64), (27, 0x94D049BB133111EB - 2**64))
"""Shift and factor of each round; numbers wrap around."""


def find_keys(batch: StructureBatch) -> Tensor:
    """(n_structures,) int64, one for each place of a first atom."""
    return _hash(batch.positions[torch.cumsum(batch.sizes, 0) - batch.sizes])


def find_key(positions: NDArray[np.float64]) -> int:
    """The same for one structure, positions (n_atoms, 3)."""
    return int(_hash(torch.from_numpy(positions[:1])))


def draw_normal(keys: Tensor, counters: Tensor) -> Tensor:
    """Normal numbers (...) float64 for int64 keys and counters (...), each pair its own."""
    first, second = (_uniform(_mix(keys + _GOLDEN * (2 * counters + k))) for k in (1, 2))
    return torch.sqrt(-2 * torch.log(first)) * torch.cos(2 * math.pi * second)


def _hash(positions: Tensor) -> Tensor:
    """(n,) int64 of positions (n, 3), bit by bit."""
    keys = torch.zeros(len(positions), dtype=torch.int64, device=positions.device)
    for column in positions.double().view(torch.int64).unbind(dim=1):
        keys = _mix(keys + column)
    return keys


def _mix(numbers: Tensor) -> Tensor:
    for shift, factor in _FACTORS:
        numbers = (numbers ^ _shift(numbers, shift)) * factor
    return numbers ^ _shift(numbers, 31)


def _shift(numbers: Tensor, n_bits: int) -> Tensor:
    """To the right, the sign being a bit like others."""
    return (numbers >> n_bits) & ((1 << (64 - n_bits)) - 1)


def _uniform(numbers: Tensor) -> Tensor:
    """Between 0 and 1, neither of them reached."""
    return (_shift(numbers, 11) + 0.5) * 2.0**-53
