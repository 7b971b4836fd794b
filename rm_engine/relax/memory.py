"""How many structures relax together: what each takes, and what there is."""

from __future__ import annotations

import math
from typing import Final

import torch
from torch import Tensor

from rm_engine.neighbors import TooManyNeighborsError
from rm_engine.relax.guard import THIN, GuardConfig
from rm_engine.spec import PotentialConfig
from rm_engine.structure import StructureBatch, cell_heights

CPU_BUDGET: Final = 64 * 1024**2
"""Bytes. More structures at once are no faster on a CPU but slower, as what belongs to them leaves its caches."""

_GPU_SHARE: Final = 0.8
"""Of the free memory of a GPU; the rest is for what the allocator cannot use."""

_BYTES_PER_CANDIDATE: Final = 64
"""Of the (pair, image) candidates among which neighbours are found."""

_CROWDING: Final = 2.0
"""Neighbours of the most crowded atom, to which the list is padded, against the average."""

_DENSEST: Final = 0.2
"""Atoms per Å³ where there is no volume to divide by; diamond has 0.18."""

_FLOATS_PER_MIXED_SUM: Final = {2: 4, 3: 12}
"""By nu: what the graph from the mixed sums over neighbours to the energy keeps of each."""


def find_budget(budget: int | None, device: torch.device) -> int:
    """Bytes that structures in flight may take: what was asked for, else what suits the device.

    That is 64 MiB on a CPU and four fifths of what is free on a GPU.
    """
    if budget is not None:
        return budget
    if device.type != "cuda":
        return CPU_BUDGET
    free, _ = torch.cuda.mem_get_info(device)
    unused = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    return int(_GPU_SHARE * (free + unused))


def estimate_bytes(batch: StructureBatch, potential: PotentialConfig, reach: float, guard: GuardConfig) -> Tensor:
    """(n_structures,) bytes that each structure takes at most while it relaxes, int64.

    It is either looked at for neighbours or evaluated, so the larger of the two counts. Densities are those of the
    starts; cells count as if they were reduced, and no flatter than the guard lets pass.

    Args:
        batch: the starts.
        potential: the potential that evaluates them.
        reach: cutoff and skin, Å.
        guard: bounds on cells.
    """
    sizes, volumes = batch.sizes.double(), batch.volumes.double().nan_to_num(0.0)
    least = (THIN * volumes ** (1 / 3)).clamp(min=guard.smallest_height)[:, None]
    heights = cell_heights(batch.cells).double().nan_to_num(0.0)
    images = torch.where(batch.periodic, torch.ceil(reach / torch.maximum(heights, least)), 0.0)
    candidates = sizes * (2 * images + 1).prod(dim=1)  # of each atom
    densities = torch.where(batch.is_crystal, sizes / volumes, _DENSEST)
    neighbors = torch.minimum(candidates, _CROWDING * densities * 4 / 3 * math.pi * reach**3)
    floats = _floats_per_neighbor(potential) * neighbors + _floats_per_atom(potential)
    evaluation = floats * batch.positions.element_size()
    return (sizes * torch.maximum(evaluation, candidates * _BYTES_PER_CANDIDATE)).to(torch.int64)


def is_out_of_memory(error: Exception) -> bool:
    """Whether there is less memory than was thought, on any device; other errors are not the memory's."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError | TooManyNeighborsError):
        return True
    message = str(error)
    return isinstance(error, RuntimeError) and ("not enough memory" in message or "can't allocate memory" in message)


def _floats_per_neighbor(config: PotentialConfig) -> int:
    """The edge basis and the gradient by it, where most is held at once; the rest are vectors and distances."""
    n_radial = config.n_radial_functions
    return 2 * config.n_embedding * n_radial + 2 * _n_monomials(config) + 2 * n_radial + 15


def _floats_per_atom(config: PotentialConfig) -> int:
    mixed_sums = _n_monomials(config) * config.n_radial_channels * config.n_embedding**2
    return _FLOATS_PER_MIXED_SUM[config.nu_max] * mixed_sums


def _n_monomials(config: PotentialConfig) -> int:
    return math.comb(config.l_max + 3, 3)
