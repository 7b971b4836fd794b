"""Weights of a potential in the order in which the kernel reads them."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final

import numpy as np
from numpy.typing import NDArray

_LANES: Final = 16

Floats = NDArray[np.float32]


class PackedPotential(ctypes.Structure):
    """``struct potential`` of the kernel."""

    _fields_: ClassVar[Sequence[tuple[str, Any]]] = [
        *((name, ctypes.c_float) for name in ("cutoff", "contact", "strength")),
        *(
            (name, ctypes.c_void_p)
            for name in ("frequencies", "sender", "receiver", "mixing", "first", "first_bias", "later", "radii")
        ),
    ]


@dataclass(frozen=True, kw_only=True)
class Weights:
    """Weights of a CACE potential as plain arrays.

    Attributes:
        cutoff: Å.
        core_contact: fraction of the sum of two radii at which the repulsive core begins.
        core_strength: pseudo energy units.
        frequencies: (n_radial,) of the radial functions, 1/Å.
        sender: (n_species, n_embedding).
        receiver: (n_species, n_embedding).
        mixing: for each degree (n_radial, n_channels, n_embedding²).
        layers: weights (n_out, n_in) and biases (n_out,) of the readout's layers; the first takes features in the order
            (channel k, invariant, sender a, receiver b).
        linear: weights (n_features,) and bias of the linear map beside them.
        radii: (n_species,) covalent radii, Å.
    """

    cutoff: float
    core_contact: float
    core_strength: float
    frequencies: Floats
    sender: Floats
    receiver: Floats
    mixing: tuple[Floats, ...]
    layers: tuple[tuple[Floats, Floats], ...]
    linear: tuple[Floats, float]
    radii: Floats


class Packed:
    """Packed weights and the memory they point into."""

    def __init__(self, weights: Weights) -> None:
        n_embedding = weights.sender.shape[1]
        n_channels = weights.mixing[0].shape[1]
        (hidden, hidden_bias), *later = weights.layers
        linear, linear_bias = weights.linear
        n_rows = -(-(len(hidden) + 1) // 4) * 4
        rows = np.zeros((n_rows, linear.shape[0]), np.float32)
        rows[: len(hidden)], rows[len(hidden)] = hidden, linear
        bias = np.zeros(n_rows, np.float32)
        bias[: len(hidden)], bias[len(hidden)] = hidden_bias, linear_bias
        # (k, invariant, a, b) -> (a, invariant, (k, b))
        by_feature = rows.reshape(n_rows, n_channels, -1, n_embedding, n_embedding).transpose(0, 3, 2, 1, 4)
        mixing = np.stack([w.reshape(*w.shape[:2], n_embedding, n_embedding) for w in weights.mixing])
        arrays = {
            "frequencies": weights.frequencies,
            "sender": weights.sender,
            "receiver": _padded(np.tile(weights.receiver, (1, n_channels))),
            "mixing": _padded(
                mixing.transpose(0, 3, 1, 2, 4).reshape(*mixing.shape[:1], n_embedding, mixing.shape[1], -1)
            ),
            "first": _padded(by_feature.reshape(*by_feature.shape[:3], -1)),
            "first_bias": bias,
            "later": np.concatenate([part.ravel() for layer in later for part in layer] or [np.zeros(1, np.float32)]),
            "radii": weights.radii,
        }
        self._arrays = {name: _aligned(array) for name, array in arrays.items()}
        self.struct = PackedPotential(
            weights.cutoff,
            weights.core_contact,
            weights.core_strength,
            **{name: array.ctypes.data for name, array in self._arrays.items()},
        )


def _padded(array: Floats) -> Floats:
    """Zeros at the end of the last dimension, to whole vectors."""
    return np.pad(array, [(0, 0)] * (array.ndim - 1) + [(0, -array.shape[-1] % _LANES)])


def _aligned(array: Floats) -> Floats:
    """A copy that begins at a whole vector's address."""
    memory = np.empty(array.nbytes + 64, np.uint8)
    start = -memory.ctypes.data % 64
    copy = memory[start : start + array.nbytes].view(np.float32).reshape(array.shape)
    copy[...] = array
    return copy
