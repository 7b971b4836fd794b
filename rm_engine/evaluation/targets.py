"""Known structures that a search is asked to find."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from ase import Atoms

from rm_engine.analysis.comparison import find_kind
from rm_engine.errors import InputError
from rm_engine.files import StoredStructure, read_structures


@dataclass(frozen=True)
class Target:
    """A known crystal to be found from the formula of its cell.

    Attributes:
        name: its identifier.
        label: what tables call it.
        atoms: the crystal.
        polymorphs: (name, crystal) of the other known crystals of its reduced formula.
    """

    name: str
    label: str
    atoms: Atoms
    polymorphs: tuple[tuple[str, Atoms], ...] = ()

    @property
    def formula(self) -> str:
        """Formula of the whole cell, e.g. ``Sr2O4``."""
        return str(self.atoms.get_chemical_formula("metal"))


def read_targets(path: Path, *, max_atoms: int | None = None) -> list[Target]:
    """The crystals of a file as targets, each with the polymorphs that the file holds.

    Args:
        path: any file that :func:`rm_engine.files.read_structures` reads.
        max_atoms: leave out larger cells, among the polymorphs too.

    Raises:
        InputError: the file is missing, or holds no crystal of that size, or one name twice.
        FileFormatError: the file does not parse.
    """
    if not path.exists():
        raise InputError("no_such_file", "data", path, "there is no such file", "Give the folder of the data sets.")
    known = [item for item in read_structures(path) if item.atoms.pbc.all()]
    known = [item for item in known if max_atoms is None or len(item.atoms) <= max_atoms]
    if not known:
        raise InputError("no_targets", "data", path, "it holds no crystal of that size", "Raise max_atoms.")
    names = {item.name for item in known}
    if len(names) < len(known):
        raise InputError("names_repeat", "data", path, "two structures have one name", "Give each its own name.")
    bins = _bin_by_formula(known)
    return [Target(item.name, _label_of(item), item.atoms, _others(item, bins)) for item in known]


def choose_targets(targets: Sequence[Target], n: int | None, seed: int) -> list[Target]:
    """``n`` of the targets in an order that follows from the seed alone: fewer are a part of more. None takes all, in
    their order.
    """
    if n is None:
        return list(targets)
    return [targets[index] for index in np.random.default_rng(seed).permutation(len(targets))[:n]]


def _bin_by_formula(known: Iterable[StoredStructure]) -> dict[Hashable, list[StoredStructure]]:
    bins: defaultdict[Hashable, list[StoredStructure]] = defaultdict(list)
    for item in known:
        bins[find_kind(item.atoms)].append(item)
    return bins


def _others(item: StoredStructure, bins: dict[Hashable, list[StoredStructure]]) -> tuple[tuple[str, Atoms], ...]:
    return tuple((other.name, other.atoms) for other in bins[find_kind(item.atoms)] if other is not item)


def _label_of(item: StoredStructure) -> str:
    return str(item.info.get("csp15_formula") or item.atoms.get_chemical_formula("metal"))
