"""Matching structures with known ones."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
from ase import Atoms

from rm_engine.analysis.comparison import Comparable, as_comparable, find_kind

Key = TypeVar("Key")


@dataclass(frozen=True)
class Match(Generic[Key]):
    """A reference that a structure matches.

    Attributes:
        key: what the reference was given under.
        rms: root mean square displacement; crystals in units of (volume per atom)^(1/3), molecules of their distances
            in Å.
    """

    key: Key
    rms: float


class Matcher(Generic[Key]):
    """Finds the known structures that a structure matches.

    Crystals match when the algorithm of pymatgen's StructureMatcher (ltol 0.3, stol 0.5, angle_tol 10) maps one onto
    the other after reduction to primitive cells and scaling to one volume. Molecules match when their interatomic
    distances agree; mirror images do. Structures with one or two periodic directions match nothing.

    References are binned by reduced formula, and only those with as many atoms in the primitive cell are compared.
    Neither loses a match: the matcher compares species one to one, so a match has both in common. No bin is made of
    volumes or distances, because at these tolerances a match may differ in either.

    Args:
        references: (key, structure) of the known structures; they are prepared when their formula is first asked for.
    """

    def __init__(self, references: Iterable[tuple[Key, Atoms]]) -> None:
        self._bins: defaultdict[Hashable, list[tuple[Key, Comparable]]] = defaultdict(list)
        for key, atoms in references:
            kind = find_kind(atoms)
            if kind is not None:
                self._bins[kind].append((key, as_comparable(atoms)))

    def find_matches(self, atoms: Atoms) -> list[Match[Key]]:
        """The references that ``atoms`` matches, best first."""
        candidates = self._bins.get(find_kind(atoms), [])
        if not candidates:
            return []
        distances = as_comparable(atoms).find_rms([reference for _, reference in candidates])
        order = np.argsort(distances, kind="stable")[: np.isfinite(distances).sum()]
        return [Match(candidates[row][0], float(distances[row])) for row in order]
