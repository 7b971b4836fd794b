"""What is learned from: known structures, and what searches for their compositions found."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from ase import Atoms
from torch import Tensor

from rm_engine.files import StoredStructure, read_structures
from rm_engine.training import find_mp20
from rm_engine.training.dataset import TrainingSet


@dataclass(frozen=True)
class KnownStructure:
    """A structure with its formation energy in eV/atom; None where that is not known."""

    name: str
    atoms: Atoms
    formation_energy_per_atom: float | None


@dataclass(frozen=True)
class Candidate:
    """What a search for the composition of ``target`` found; ``match`` names the known structure that it is."""

    target: str
    atoms: Atoms
    match: str | None


@dataclass(frozen=True)
class RankingData:
    """Known structures, and what searches for some of their compositions found."""

    known: Sequence[KnownStructure]
    candidates: Sequence[Candidate]


def load_known(path: Path | None) -> list[KnownStructure]:
    """Crystals with their formation energies from the files of the recipe ``mp20``.

    Raises:
        InputError: no path was given.
        FileFormatError: it holds something that cannot be read.
    """
    return [
        KnownStructure(stored.name, stored.atoms, _formation_energy(stored))
        for stored in read_structures(find_mp20(path))
    ]


def _formation_energy(stored: StoredStructure) -> float | None:
    value = stored.info.get("formation_energy_per_atom")
    return None if value is None or not math.isfinite(float(value)) else float(value)


class Part:
    """Known structures and candidates as rows of one set: the known ones first.

    Attributes:
        structures: all of them.
        n_known: how many are known structures.
        labels: (n_structures,) formation energies per atom, also of candidates that are a known structure; NaN where
            there is none.
        targets: (n_structures,) row of the known structure whose composition was searched; its own row for a known one.
        is_known: (n_structures,) whether it is, or is the same as, a known structure.
    """

    def __init__(self, data: RankingData, device: torch.device | str) -> None:
        rows = {structure.name: row for row, structure in enumerate(data.known)}
        labels = {
            item.name: math.nan if item.formation_energy_per_atom is None else item.formation_energy_per_atom
            for item in data.known
        }
        candidates = [candidate for candidate in data.candidates if candidate.target in rows]
        everything = [*(item.atoms for item in data.known), *(item.atoms for item in candidates)]
        self.structures = TrainingSet.from_atoms(everything, smallest_cell=1, device=device)
        self.n_known = len(data.known)
        self.labels = torch.tensor(
            [*labels.values(), *(labels.get(item.match or "", math.nan) for item in candidates)], device=device
        )
        self.targets = torch.tensor([*rows.values(), *(rows[item.target] for item in candidates)], device=device)
        self.is_known = torch.tensor(
            [True] * self.n_known + [item.match is not None for item in candidates], device=device
        )
        self.candidates_of: dict[int, list[int]] = {}
        for row, item in enumerate(candidates, start=self.n_known):
            self.candidates_of.setdefault(rows[item.target], []).append(row)

    def rows_with(self, known: Sequence[int]) -> Tensor:
        """Rows of known structures, followed by those of the candidates for their compositions."""
        return torch.tensor([*known, *(row for target in known for row in self.candidates_of.get(target, ()))])
