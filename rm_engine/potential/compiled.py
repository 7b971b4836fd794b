"""The compiled kernel of a potential."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import torch
from ase.data import covalent_radii
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from rm_engine.kernels import Kernel, Neighborhoods, Packed, Shape, Weights
from rm_engine.neighbors import NeighborList
from rm_engine.potential.cace import CACE
from rm_engine.spec import PotentialConfig
from rm_engine.structure import StructureBatch


@dataclass(frozen=True)
class CompiledPotential:
    """A kernel with the weights of a potential.

    Attributes:
        kernel: the functions.
        packed: the weights.
        species_of: (n_elements,) int32 row of the embeddings of each atomic number.
    """

    kernel: Kernel
    packed: Packed
    species_of: NDArray[np.int32]

    @property
    def cutoff(self) -> float:
        """Å."""
        return float(self.packed.struct.cutoff)

    def species(self, numbers: NDArray[np.int64]) -> NDArray[np.int32]:
        """Rows of the embeddings of atomic numbers, in their shape.

        Raises:
            IndexError: an element that the potential does not have.
        """
        found: NDArray[np.int32] = self.species_of[numbers]
        if found.min(initial=0) < 0:
            raise IndexError(f"The potential knows no element of number {numbers[found < 0][0]}.")
        return found

    def evaluate(
        self, batch: StructureBatch, neighbors: NeighborList, *, bare: bool = False, forces: bool = True
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Energies, forces and virials of a batch on the CPU, float64; see :meth:`Kernel.evaluate`."""
        packed = self.packed.without_core() if bare else self.packed
        answer = self.kernel.evaluate(packed, self._neighborhoods(batch, neighbors), forces=forces)
        energies, on_atoms, virials = (torch.from_numpy(array) for array in answer)
        return energies, on_atoms, virials

    def differentiable(
        self,
        potential: CACE,
        batch: StructureBatch,
        neighbors: NeighborList,
        *,
        bare: bool = False,
        forces: bool = True,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """The same, differentiable (once) by the parameters of ``potential``, whose weights these are."""
        packed = self.packed.without_core() if bare else self.packed
        where = self._neighborhoods(batch, neighbors)
        return _Differentiable.apply(self.kernel, packed, where, forces, *_parameters(potential))  # type: ignore[no-any-return,no-untyped-call]

    def _neighborhoods(self, batch: StructureBatch, neighbors: NeighborList) -> Neighborhoods:
        return Neighborhoods(
            sizes=batch.sizes.numpy(),
            species=self.species(batch.numbers.numpy()),
            positions=np.ascontiguousarray(batch.positions.numpy(), np.float64),
            cells=np.ascontiguousarray(batch.cells.numpy(), np.float64),
            index=np.ascontiguousarray(neighbors.index.numpy()),
            image=np.ascontiguousarray(neighbors.image.numpy(), np.float32),
            counts=neighbors.present.sum(dim=1).numpy(),
        )


class _Differentiable(torch.autograd.Function):
    """Energies, forces and virials with their gradient by the parameters."""

    @staticmethod
    def forward(
        ctx: Any,  # noqa: ANN401  # torch keeps anything on it
        kernel: Kernel,
        packed: Packed,
        where: Neighborhoods,
        forces: bool,
        *parameters: Tensor,
    ) -> tuple[Tensor, ...]:
        ctx.kernel, ctx.packed, ctx.where = kernel, packed, where
        ctx.shapes = [parameter.shape for parameter in parameters]
        return tuple(map(torch.from_numpy, kernel.evaluate(packed, where, forces=forces)))

    @staticmethod
    @once_differentiable
    def backward(
        ctx: Any,  # noqa: ANN401
        energies: Tensor,
        forces: Tensor,
        virials: Tensor,
    ) -> tuple[Tensor | None, ...]:
        where = ctx.where
        gradients = ctx.kernel.differentiate(
            ctx.packed,
            where,
            energies.contiguous().numpy(),
            forces.contiguous().numpy() if len(forces) else np.zeros(where.positions.shape),
            virials.contiguous().numpy() if len(virials) else np.zeros(where.cells.shape),
        )
        found = (torch.as_tensor(array, dtype=torch.float32) for array in _in_order(gradients))
        return None, None, None, None, *(one.reshape(shape) for one, shape in zip(found, ctx.shapes, strict=True))


def _parameters(potential: CACE) -> list[Tensor]:
    """The parameters in the order of :func:`_in_order`."""
    readout = potential.readout
    layers = [part for layer in _layers(potential) for part in (layer.weight, layer.bias)]
    own = (potential.radial.frequencies, potential.sender, potential.receiver, *potential.radial_mixing)
    return [*own, *layers, readout.linear.weight, readout.linear.bias]


def _in_order(weights: Weights) -> list[NDArray[np.float32] | float]:
    layers = [part for layer in weights.layers for part in layer]
    return [weights.frequencies, weights.sender, weights.receiver, *weights.mixing, *layers, *weights.linear]


def _layers(potential: CACE) -> list[nn.Linear]:
    return [layer for layer in potential.readout.mlp if isinstance(layer, nn.Linear)]


_Version = tuple[tuple[int, int], ...]
_compiled: WeakKeyDictionary[CACE, tuple[_Version, CompiledPotential]] = WeakKeyDictionary()


def compile_potential(potential: CACE) -> CompiledPotential | None:
    """The compiled form of a potential in single precision on the CPU; None where it is not wanted or cannot be had.

    Weights are packed again when they have changed.
    """
    weight = potential.sender
    if not potential.may_compile or weight.device.type != "cpu" or weight.dtype != torch.float32:
        return None
    kernel = Kernel.of(shape_of(potential.config))
    if kernel is None:
        return None
    version = tuple((tensor.data_ptr(), tensor._version) for tensor in potential.parameters())
    known = _compiled.get(potential)
    if known is None or known[0] != version:
        species_of = potential.get_buffer("species_of").numpy().astype(np.int32)
        known = version, CompiledPotential(kernel, Packed(_weights(potential)), species_of)
        _compiled[potential] = known
    return known[1]


def shape_of(config: PotentialConfig) -> Shape:
    """What the kernel of a configuration is compiled for."""
    return Shape(
        n_embedding=config.n_embedding,
        n_radial=config.n_radial_functions,
        n_channels=config.n_radial_channels,
        l_max=config.l_max,
        nu_max=config.nu_max,
        widths=(*config.readout_hidden, 1),
    )


def _weights(potential: CACE) -> Weights:
    config, readout = potential.config, potential.readout
    return Weights(
        cutoff=config.cutoff,
        core_contact=config.core_contact,
        core_strength=config.core_strength,
        frequencies=_array(potential.radial.frequencies),
        sender=_array(potential.sender),
        receiver=_array(potential.receiver),
        mixing=tuple(map(_array, potential.radial_mixing)),
        layers=tuple((_array(layer.weight), _array(layer.bias)) for layer in _layers(potential)),
        linear=(_array(readout.linear.weight)[0], float(readout.linear.bias.detach())),
        radii=covalent_radii[list(config.elements)].astype(np.float32),
    )


def _array(parameter: Tensor) -> NDArray[np.float32]:
    array: NDArray[np.float32] = parameter.detach().numpy()
    return array
