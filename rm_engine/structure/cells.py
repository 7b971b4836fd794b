"""Geometry of cells."""

from __future__ import annotations

import numpy as np
import torch
from ase import Atoms
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


def standardize(atoms: Atoms) -> Atoms:
    """The same structure in a reduced cell of standard orientation (first vector along x, second in the xy plane),
    atoms inside.

    Molecules are centred on the origin; partly periodic structures keep the cell that the caller gave.
    """
    atoms = atoms.copy()
    if atoms.pbc.all():
        reduced = reduce_cell(atoms.cell.array)
        atoms.set_cell(reduced * np.sign(np.linalg.det(reduced)))
        standard, _ = atoms.cell.standard_form()
        atoms.set_cell(standard, scale_atoms=True)
    if atoms.pbc.any():
        atoms.wrap()
    else:
        atoms.positions -= atoms.positions.mean(axis=0)
    return atoms
