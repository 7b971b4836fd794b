"""Geometry of cells."""

from __future__ import annotations

import numpy as np
import torch
from ase.geometry import minkowski_reduce
from numpy.typing import NDArray
from torch import Tensor


def cell_heights(cells: Tensor) -> Tensor:
    """(n_structures, 3) distances between opposite faces of cells (n_structures, 3, 3), Å; zero for a flat cell."""
    a, b, c = cells.unbind(dim=-2)
    faces = torch.stack([torch.linalg.cross(b, c), torch.linalg.cross(c, a), torch.linalg.cross(a, b)], dim=-2)
    areas = torch.linalg.norm(faces, dim=-1)
    volumes = (a * faces[..., 0, :]).sum(-1).abs()
    heights: Tensor = volumes[..., None] / areas.clamp(min=torch.finfo(cells.dtype).tiny)
    return heights


def reduce_cell(cell: NDArray[np.float64]) -> NDArray[np.float64]:
    """Three short vectors (3, 3) of the same lattice, of the same handedness (Minkowski reduction)."""
    vectors, _ = minkowski_reduce(cell)
    reduced = np.asarray(vectors)
    return reduced if np.linalg.det(reduced) * np.linalg.det(cell) > 0 else -reduced
