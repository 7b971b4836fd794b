"""The compiled kernel of a potential."""

from __future__ import annotations

from dataclasses import dataclass
from weakref import WeakKeyDictionary

import numpy as np
import torch
from ase.data import covalent_radii
from numpy.typing import NDArray
from torch import Tensor, nn

from rm_engine.kernels import Kernel, Neighborhoods, Packed, Shape, Weights
from rm_engine.neighbors import NeighborList
from rm_engine.potential.cace import CACE
from rm_engine.structure import StructureBatch


@dataclass(frozen=True)
class CompiledPotential:
    """A kernel with the weights of a potential.

    Attributes:
        kernel: the functions.
        packed: the weights; ``bare`` is the same without the repulsive core.
        bare: see there.
        species_of: (n_elements,) int32 row of the embeddings of each atomic number.
    """

    kernel: Kernel
    packed: Packed
    bare: Packed
    species_of: NDArray[np.int32]

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
        where = Neighborhoods(
            sizes=batch.sizes.numpy(),
            species=self.species(batch.numbers.numpy()),
            positions=np.ascontiguousarray(batch.positions.numpy(), np.float64),
            cells=np.ascontiguousarray(batch.cells.numpy(), np.float64),
            index=np.ascontiguousarray(neighbors.index.numpy()),
            image=np.ascontiguousarray(neighbors.image.numpy(), np.float32),
            counts=neighbors.present.sum(dim=1).numpy(),
        )
        answer = self.kernel.evaluate(self.bare if bare else self.packed, where, forces=forces)
        energies, on_atoms, virials = (torch.from_numpy(array) for array in answer)
        return energies, on_atoms, virials


_Version = tuple[tuple[int, int], ...]
_compiled: WeakKeyDictionary[CACE, tuple[_Version, CompiledPotential]] = WeakKeyDictionary()


def compile_potential(potential: CACE) -> CompiledPotential | None:
    """The compiled form of a potential in single precision on the CPU; None where it is not wanted or cannot be had.

    Weights are packed again when they have changed.
    """
    weight = potential.sender
    if not potential.may_compile or weight.device.type != "cpu" or weight.dtype != torch.float32:
        return None
    config = potential.config
    kernel = Kernel.of(
        Shape(
            n_embedding=config.n_embedding,
            n_radial=config.n_radial_functions,
            n_channels=config.n_radial_channels,
            l_max=config.l_max,
            nu_max=config.nu_max,
            widths=(*config.readout_hidden, 1),
        )
    )
    if kernel is None:
        return None
    version = tuple((tensor.data_ptr(), tensor._version) for tensor in potential.parameters())
    known = _compiled.get(potential)
    if known is None or known[0] != version:
        known = (
            version,
            CompiledPotential(
                kernel,
                Packed(_weights(potential, config.core_contact)),
                Packed(_weights(potential, 0.0)),
                potential.get_buffer("species_of").numpy().astype(np.int32),
            ),
        )
        _compiled[potential] = known
    return known[1]


def _weights(potential: CACE, core_contact: float) -> Weights:
    config, readout = potential.config, potential.readout
    layers = [layer for layer in readout.mlp if isinstance(layer, nn.Linear)]
    return Weights(
        cutoff=config.cutoff,
        core_contact=core_contact,
        core_strength=config.core_strength,
        frequencies=_array(potential.radial.frequencies),
        sender=_array(potential.sender),
        receiver=_array(potential.receiver),
        mixing=tuple(map(_array, potential.radial_mixing)),
        layers=tuple((_array(layer.weight), _array(layer.bias)) for layer in layers),
        linear=(_array(readout.linear.weight)[0], float(readout.linear.bias.detach())),
        radii=covalent_radii[list(config.elements)].astype(np.float32),
    )


def _array(parameter: Tensor) -> NDArray[np.float32]:
    array: NDArray[np.float32] = parameter.detach().numpy()
    return array
