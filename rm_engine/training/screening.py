"""Structures that nothing can be learned from, told by their place in the data and the reason."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import torch
from ase import Atoms
from ase.data import covalent_radii

from rm_engine.errors import InputError
from rm_engine.neighbors import build_neighbor_list
from rm_engine.spec.limits import MAX_ATOMS
from rm_engine.structure import StructureBatch
from rm_engine.training.recipes import TrainingData
from rm_engine.units import SYMBOLS

CLOSEST: Final = 0.5
"""Fraction of the sum of two covalent radii below which atoms overlap; MP-20 and QM7b stay above 0.65."""
VOLUMES_PER_ATOM: Final = (1.0, 1000.0)
"""Å³; the crystals of MP-20 and MPTS-52 have 3 to 604."""
_FLATTEST: Final = 0.1
"""Å between opposite faces of a cell, below which its neighbours cannot be counted."""
_SAME_PLACE: Final = 1e-3
"""Å; closer images are one atom to a neighbour list."""
_N_LISTED: Final = 5
_AT_ONCE: Final = 512


@dataclass(frozen=True)
class BadStructure:
    """A structure that nothing can be learned from.

    Attributes:
        part: of the data.
        index: place in that part, in the order of the file, from 0.
        reason: what is wrong with it.
    """

    part: Literal["training", "validation"]
    index: int
    reason: str

    def __str__(self) -> str:
        return f"{self.part} structure {self.index}: {self.reason}"


def screen_data(
    data: TrainingData, elements: Sequence[int], *, skip_bad: bool
) -> tuple[TrainingData, list[BadStructure]]:
    """The data that can be learned from, and what was left out of them.

    Args:
        data: all of them.
        elements: atomic numbers that the potential has an embedding for.
        skip_bad: leave bad structures out instead of refusing the data.

    Raises:
        InputError: there are bad structures and they are not to be skipped, or none is left to learn from.
    """
    bad = [
        *(BadStructure("training", index, reason) for index, reason in find_bad(data.training, elements)),
        *(BadStructure("validation", index, reason) for index, reason in find_bad(data.validation, elements)),
    ]
    if bad and not skip_bad:
        more = f"; and {len(bad) - _N_LISTED} more" if len(bad) > _N_LISTED else ""
        reason = f"{len(bad)} cannot be learned from (counted from 0): " + "; ".join(map(str, bad[:_N_LISTED])) + more
        n_structures = len(data.training) + len(data.validation)
        raise InputError(
            "bad_structures", "data", f"{n_structures} structures", reason, "Correct them, or skip them (--skip-bad)."
        )
    out = {(structure.part, structure.index) for structure in bad}
    kept = TrainingData(
        [atoms for index, atoms in enumerate(data.training) if ("training", index) not in out],
        [atoms for index, atoms in enumerate(data.validation) if ("validation", index) not in out],
    )
    if not kept.training:
        raise InputError("no_structures", "data", "none", "there is no structure to learn from", "Give at least one.")
    return kept, bad


def find_bad(structures: Sequence[Atoms], elements: Sequence[int]) -> Iterator[tuple[int, str]]:
    """(place, reason) of every structure that cannot be learned from, in order."""
    known = set(elements)
    for start in range(0, len(structures), _AT_ONCE):
        group = structures[start : start + _AT_ONCE]
        reasons = [_find_fault(atoms, known) for atoms in group]
        sound = [index for index, reason in enumerate(reasons) if reason is None]
        for index, reason in zip(sound, _find_overlaps([group[index] for index in sound]), strict=True):
            reasons[index] = reason
        yield from ((start + index, reason) for index, reason in enumerate(reasons) if reason is not None)


def _find_fault(atoms: Atoms, known: set[int]) -> str | None:
    """What can be told without looking at pairs of atoms."""
    unknown = sorted(set(atoms.numbers.tolist()) - known)
    if not 1 <= len(atoms) <= MAX_ATOMS:
        return f"{len(atoms)} atoms, 1 to {MAX_ATOMS} can be learned from"
    if unknown:
        names = ", ".join(SYMBOLS[number] for number in unknown)
        return f"the potential has no embedding for {names}"
    if not (np.isfinite(atoms.positions).all() and np.isfinite(atoms.cell.array).all()):
        return "a position or a cell vector is not finite"
    if atoms.pbc.any():
        cell = atoms.cell.complete().array
        volume = abs(float(np.linalg.det(cell))) / len(atoms)
        low, high = VOLUMES_PER_ATOM if atoms.pbc.all() else (0.0, np.inf)
        if not low <= volume <= high:
            return f"{volume:.3g} Å³ per atom, {low:g} to {high:g} can be learned from"
        if volume == 0 or (1 / np.linalg.norm(np.linalg.inv(cell), axis=0)).min() < _FLATTEST:
            return "the cell is flat"
    return None


def _find_overlaps(structures: Sequence[Atoms]) -> list[str | None]:
    """For each structure its closest pair where that overlaps, else None."""
    batch = StructureBatch.from_atoms(structures, dtype=torch.float64)
    radii = torch.as_tensor(covalent_radii)
    widest = max((float(radii[atoms.numbers].max()) for atoms in structures), default=0.0)
    neighbors = build_neighbor_list(batch, 2 * CLOSEST * widest + _SAME_PLACE)
    distances = torch.linalg.norm(neighbors.displacements(batch, far=2 * widest + 1.0), dim=1)
    contact = radii[batch.numbers][:, None] + radii[batch.numbers[neighbors.index]]
    overlap = (neighbors.present & (distances < CLOSEST * contact)).any(dim=1)
    closest = torch.where(overlap, distances.amin(dim=1), torch.inf).tolist()
    ends = batch.sizes.cumsum(0).tolist()
    return [
        _describe_overlap(atoms, min(closest[end - len(atoms) : end]))
        for atoms, end in zip(structures, ends, strict=True)
    ]


def _describe_overlap(atoms: Atoms, closest: float) -> str | None:
    if _has_atoms_in_one_place(atoms):
        return "two atoms are in one place"
    return f"two atoms are {closest:.2f} Å apart" if np.isfinite(closest) else None


def _has_atoms_in_one_place(atoms: Atoms) -> bool:
    fractions = atoms.cell.complete().scaled_positions(atoms.positions)
    apart = fractions[:, None] - fractions
    apart -= np.where(atoms.pbc, np.round(apart), 0.0)
    distances = np.linalg.norm(apart @ atoms.cell.complete().array, axis=2)
    np.fill_diagonal(distances, np.inf)
    return bool((distances < _SAME_PLACE).any())
