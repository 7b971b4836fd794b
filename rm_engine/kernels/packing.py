"""Weights of a potential in the order in which the kernel reads them."""

from __future__ import annotations

import copy
import ctypes
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Final, Self

import numpy as np
from numpy.typing import NDArray

_LANES: Final = 16

_NAMES: Final = ("frequencies", "sender", "receiver", "mixing", "first", "first_bias", "later")
"""Of the arrays that hold weights, in the order of the structs."""

Floats = NDArray[np.float32]


class PackedPotential(ctypes.Structure):
    """``struct potential`` of the kernel."""

    _fields_: ClassVar[Sequence[tuple[str, Any]]] = [
        *((name, ctypes.c_float) for name in ("cutoff", "contact", "strength")),
        *((name, ctypes.c_void_p) for name in (*_NAMES, "radii")),
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


class PackedGradients(ctypes.Structure):
    """``struct gradients`` of the kernel."""

    _fields_: ClassVar[Sequence[tuple[str, Any]]] = [(name, ctypes.c_void_p) for name in _NAMES]


class Packed:
    """Packed weights and the memory they point into.

    Attributes:
        struct: what the kernel takes.
    """

    def __init__(self, weights: Weights) -> None:
        self._shapes = weights
        n_embedding, n_channels = weights.sender.shape[1], weights.mixing[0].shape[1]
        (hidden, hidden_bias), *later = weights.layers
        linear, linear_bias = weights.linear
        n_rows = (len(hidden) + 1) // 4 * 4 + 4
        rows = np.zeros((n_rows, linear.shape[0]), np.float32)
        rows[: len(hidden)], rows[len(hidden)] = hidden, linear
        bias = np.zeros(n_rows, np.float32)
        bias[: len(hidden)], bias[len(hidden)] = hidden_bias, linear_bias
        # (k, invariant, a, b) -> (a, invariant, (k, b))
        by_feature = rows.reshape(n_rows, n_channels, -1, n_embedding, n_embedding).transpose(0, 3, 2, 1, 4)
        # (degree, n, k, a, b) -> (degree, a, n, (k, b))
        mixing = np.stack(weights.mixing).reshape(len(weights.mixing), -1, n_channels, n_embedding, n_embedding)
        arrays = (
            weights.frequencies,
            weights.sender,
            _padded(np.tile(weights.receiver, (1, n_channels))),
            _padded(mixing.transpose(0, 3, 1, 2, 4).reshape(len(mixing), n_embedding, mixing.shape[1], -1)),
            _padded(by_feature.reshape(*by_feature.shape[:3], -1)),
            bias,
            np.concatenate([part.ravel() for layer in later for part in layer] or [np.zeros(1, np.float32)]),
        )
        self._arrays = {name: _aligned(array) for name, array in zip(_NAMES, arrays, strict=True)}
        self._radii = _aligned(weights.radii)
        self.struct = PackedPotential(
            weights.cutoff,
            weights.core_contact,
            weights.core_strength,
            **_addresses(self._arrays),
            radii=self._radii.ctypes.data,
        )

    def without_core(self) -> Self:
        """The same weights, no repulsive core."""
        bare = copy.copy(self)
        bare.struct = PackedPotential.from_buffer_copy(self.struct)
        bare.struct.contact = 0.0
        return bare

    def new_gradients(self) -> tuple[PackedGradients, dict[str, Floats]]:
        """Zeros to which the kernel adds, and the memory they lie in."""
        arrays = {name: _aligned(np.zeros_like(array)) for name, array in self._arrays.items()}
        return PackedGradients(**_addresses(arrays)), arrays

    def unpack(self, arrays: dict[str, Floats]) -> Weights:
        """Gradients in the shapes of the weights, from what :meth:`new_gradients` gave."""
        shapes = self._shapes
        n_species, n_embedding = shapes.sender.shape
        n_radial, n_channels, _ = shapes.mixing[0].shape
        n_mixed = n_channels * n_embedding
        by_channel = (n_channels, n_embedding)
        n_hidden = len(shapes.layers[0][1])
        receiver = arrays["receiver"][:, :n_mixed].reshape(n_species, *by_channel).sum(axis=1)
        mixing = arrays["mixing"][..., :n_mixed].reshape(-1, n_embedding, n_radial, *by_channel)
        rows = arrays["first"][: n_hidden + 1, ..., :n_mixed].reshape(n_hidden + 1, n_embedding, -1, *by_channel)
        rows = rows.transpose(0, 3, 2, 1, 4).reshape(n_hidden + 1, -1)
        bias, later = arrays["first_bias"], arrays["later"]
        layers, start = [(rows[:n_hidden], bias[:n_hidden])], 0
        for weight, _ in shapes.layers[1:]:
            n_out, n_in = weight.shape
            middle, end = start + n_out * n_in, start + n_out * (n_in + 1)
            layers.append((later[start:middle].reshape(n_out, n_in), later[middle:end]))
            start = end
        return replace(
            shapes,
            frequencies=arrays["frequencies"],
            sender=arrays["sender"],
            receiver=receiver,
            mixing=tuple(mixing.transpose(0, 2, 3, 1, 4).reshape(-1, n_radial, n_channels, n_embedding**2)),
            layers=tuple(layers),
            linear=(rows[n_hidden], float(bias[n_hidden])),
        )


def _addresses(arrays: dict[str, Floats]) -> dict[str, int]:
    return {name: array.ctypes.data for name, array in arrays.items()}


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
