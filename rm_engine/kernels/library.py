"""The compiled kernel as Python sees it."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, ClassVar, Final, Self

import numpy as np
from numpy.typing import NDArray

from rm_engine.kernels.compiler import compile_kernel
from rm_engine.kernels.packing import Packed, Weights

MAX_WIDTH: Final = 256
"""Widest layer of a readout that the kernel takes."""

_USUAL_NEIGHBORS: Final = 64
"""Columns of a neighbour list at first; it is made again where they do not suffice."""


class Ending(IntEnum):
    """How a relaxation stands when the kernel gives it back."""

    GOES_ON = 0
    CONVERGED = 1
    OUT_OF_STEPS = 2
    SET_ASIDE = 3
    REDUCE = 4
    NO_MEMORY = 5
    TOO_MANY_NEIGHBORS = 6


class RelaxationConstants(ctypes.Structure):
    """``struct relaxation_config`` of the kernel."""

    _fields_: ClassVar[Sequence[tuple[str, Any]]] = [
        *(
            (name, ctypes.c_double)
            for name in (
                *("fmax", "skin", "time_step", "largest_time_step", "largest_move", "growth", "shrinkage", "mixing"),
                *("mixing_decay", "smallest_volume_ratio", "largest_volume_ratio", "smallest_height", "largest_force"),
                *("thin", "pressure", "temperature", "final_temperature", "friction"),
            )
        ),
        *(
            (name, ctypes.c_int64)
            for name in ("max_steps", "patience", "n_pairs", "n_steps", "cell", "reduction_interval", "n_frozen")
        ),
    ]


class RelaxationStruct(ctypes.Structure):
    """``struct relaxation`` of the kernel: the state of one structure's relaxation."""

    _fields_: ClassVar[Sequence[tuple[str, Any]]] = [
        ("n_atoms", ctypes.c_int64),
        ("species", ctypes.c_void_p),
        ("reference_positions", ctypes.c_void_p),
        ("velocities", ctypes.c_void_p),
        ("history", ctypes.c_void_p),
        ("reason", ctypes.c_int32),
        ("periodic", ctypes.c_uint8 * 4),
        ("reference_cell", ctypes.c_double * 9),
        ("deformation", ctypes.c_double * 9),
        ("cell_velocity", ctypes.c_double * 9),
        *(
            (name, ctypes.c_double)
            for name in ("time_step", "mixing", "start_volume", "energy", "potential_seconds", "cutoff")
        ),
        *((name, ctypes.c_int64) for name in ("n_downhill", "n_steps", "reduced_at", "key", "n_operations")),
        ("rotations", ctypes.c_void_p),
        ("images", ctypes.c_void_p),
        ("n_pulls", ctypes.c_int64),
        ("pulls", ctypes.c_void_p),
    ]


class PullStruct(ctypes.Structure):
    """``struct pull`` of the kernel: what pulls a structure towards a property."""

    _fields_: ClassVar[Sequence[tuple[str, Any]]] = [
        *((name, ctypes.c_void_p) for name in ("evaluate", "potential", "species")),
        *((name, ctypes.c_double) for name in ("lowest", "highest", "stiffness", "reach")),
    ]


@dataclass(frozen=True)
class Shape:
    """What a kernel is compiled for; fields as in :class:`rm_engine.spec.PotentialConfig`.

    Attributes:
        widths: of the readout's layers, the last one 1.
    """

    n_embedding: int
    n_radial: int
    n_channels: int
    l_max: int
    nu_max: int
    widths: tuple[int, ...]

    def constants(self) -> tuple[tuple[str, str], ...]:
        """Preprocessor constants of the kernel."""
        return (
            ("N_EMBEDDING", str(self.n_embedding)),
            ("N_RADIAL", str(self.n_radial)),
            ("N_CHANNELS", str(self.n_channels)),
            ("L_MAX", str(self.l_max)),
            ("NU_MAX", str(self.nu_max)),
            ("N_LAYERS", str(len(self.widths))),
            ("WIDTHS", ",".join(map(str, self.widths))),
        )


@dataclass(frozen=True)
class Neighborhoods:
    """Structures and their neighbours as the kernel takes them; all arrays contiguous.

    Attributes:
        sizes: (n_structures,) int64 atoms of each.
        species: (n_atoms,) int32 rows of the embeddings.
        positions: (n_atoms, 3) float64, Å.
        cells: (n_structures, 3, 3) float64, Å.
        index: (n_atoms, n_neighbors) int64 rows in the batch.
        image: (n_atoms, n_neighbors, 3) float32 cell offsets.
        counts: (n_atoms,) int64 how many of the columns are neighbours.
    """

    sizes: NDArray[np.int64]
    species: NDArray[np.int32]
    positions: NDArray[np.float64]
    cells: NDArray[np.float64]
    index: NDArray[np.int64]
    image: NDArray[np.float32]
    counts: NDArray[np.int64]

    def arguments(self) -> list[Any]:
        """As the kernel's functions take them."""
        return [
            ctypes.c_int64(len(self.sizes)),
            *(_pointer(array) for array in (self.sizes, self.species, self.positions, self.cells)),
            ctypes.c_int64(self.index.shape[1]),
            *(_pointer(array) for array in (self.index, self.image, self.counts)),
        ]


class Kernel:
    """The functions of a compiled kernel."""

    def __init__(self, library: ctypes.CDLL, shape: Shape) -> None:
        self._library = library
        self._shape = shape

    @classmethod
    def of(cls, shape: Shape) -> Self | None:
        """The kernel of a shape, or None where there is none."""
        if max(shape.widths) >= MAX_WIDTH:
            return None
        library = compile_kernel("potential", shape.constants())
        return None if library is None else cls(library, shape)

    @property
    def evaluate_address(self) -> int | None:
        """Where the function lies that evaluates, for a kernel that calls another."""
        return ctypes.cast(self._library.evaluate_batch, ctypes.c_void_p).value

    def evaluate(
        self, packed: Packed, batch: Neighborhoods, *, forces: bool
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """Energies (n_structures,), forces (n_atoms, 3) and virials (n_structures, 3, 3); the last two empty without
        ``forces``.

        Raises:
            MemoryError: no memory for the workspace.
        """
        n_structures = len(batch.sizes)
        energies = np.empty(n_structures)
        on_atoms, virials = np.empty(batch.positions.shape if forces else 0), np.empty((n_structures * forces, 3, 3))
        status = self._library.evaluate_batch(
            ctypes.byref(packed.struct),
            *batch.arguments(),
            _pointer(energies),
            _pointer(on_atoms) if forces else None,
            _pointer(virials),
        )
        _check_memory(status)
        return energies, on_atoms, virials

    def differentiate(
        self,
        packed: Packed,
        batch: Neighborhoods,
        energies: NDArray[np.float64],
        forces: NDArray[np.float64],
        virials: NDArray[np.float64],
    ) -> Weights:
        """The gradient of a loss by the weights, from those by what :meth:`evaluate` gives, in the same shapes.

        Raises:
            MemoryError: no memory for the workspace.
            OSError: what evaluates compiles, and this does not.
        """
        library = compile_kernel("gradients", self._shape.constants())  # most processes never train
        if library is None:
            raise OSError("The kernel for training could not be compiled; set `may_compile` of the potential to False.")
        gradients, arrays = packed.new_gradients()
        status = library.differentiate_batch(
            ctypes.byref(packed.struct),
            *batch.arguments(),
            *(_pointer(array) for array in (energies, forces, virials)),
            ctypes.byref(gradients),
        )
        _check_memory(status)
        return packed.unpack(arrays)

    def relax(self, packed: Packed, constants: RelaxationConstants, state: RelaxationStruct, n_steps: int) -> Ending:
        """Go on with a relaxation for up to ``n_steps``; other Python threads run meanwhile."""
        return Ending(
            self._library.relax(
                ctypes.byref(packed.struct), ctypes.byref(constants), ctypes.byref(state), ctypes.c_int64(n_steps)
            )
        )


def _check_memory(status: int) -> None:
    if status:
        raise MemoryError("No memory for the neighbours of an atom.")


def _pointer(array: NDArray[Any]) -> ctypes.c_void_p:
    return ctypes.c_void_p(array.ctypes.data)


def find_neighbors(
    sizes: NDArray[np.int64],
    positions: NDArray[np.float64],
    cells: NDArray[np.float64],
    periodic: NDArray[np.bool_],
    reach: float,
) -> tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.int64]] | None:
    """Neighbours of every atom of a batch; None where there is no kernel.

    Args:
        sizes: (n_structures,) atoms of each.
        positions: (n_atoms, 3) Å.
        cells: (n_structures, 3, 3) Å.
        periodic: (n_structures, 3).
        reach: Å.

    Returns:
        Rows in the batch (n_atoms, n_neighbors), cell offsets (n_atoms, n_neighbors, 3) and how many of the columns are
        neighbours, (n_atoms,).

    Raises:
        OverflowError: a cell has too many candidates.
        MemoryError: no memory for a list.
    """
    library = compile_kernel("neighbors")
    if library is None:
        return None
    library.find_batch_neighbors.restype = ctypes.c_int64
    positions, cells = np.ascontiguousarray(positions), np.ascontiguousarray(cells)
    n_atoms, width, most = len(positions), 1, _USUAL_NEIGHBORS
    while most > width:
        width = most
        index, image = np.empty((n_atoms, width), np.int64), np.zeros((n_atoms, width, 3), np.float32)
        counts = np.zeros(n_atoms, np.int64)
        most = library.find_batch_neighbors(
            ctypes.c_int64(len(sizes)),
            *(_pointer(array) for array in (sizes, positions, cells, np.ascontiguousarray(periodic))),
            ctypes.c_double(reach),
            ctypes.c_int64(width),
            *(_pointer(array) for array in (index, image, counts)),
        )
    if most < -len(sizes):
        raise MemoryError("No memory for a neighbour list.")
    if most < 0:
        raise OverflowError(f"Structure {-1 - most} is too flat or too dense for a neighbour list.")
    used = max(1, most)
    return np.ascontiguousarray(index[:, :used]), np.ascontiguousarray(image[:, :used]), counts
