"""The convex hull of two elements: what a blind search finds at every composition, among the known structures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from math import gcd
from typing import Final

import torch
from ase import Atoms

from rm_engine.analysis import Matcher, energies_above_hull, excess_energies, find_space_group
from rm_engine.checkpoint import Model
from rm_engine.errors import SearchError
from rm_engine.relax import RelaxationConfig, relax
from rm_engine.search import generate_samples
from rm_engine.spec import Formula, GenerationSpec, parse_formula
from rm_engine.structure import StructureBatch

LARGEST_FORMULA: Final = 6
"""Atoms in the largest reduced formula that is searched."""
_ATOMS_AT_ONCE: Final = 1024

OnProgress = Callable[[int, int], None]
"""Called with what is done and what there is to do, in structures."""


@dataclass(frozen=True)
class KnownStructure:
    """A known crystal; several of one name are one crystal as different sources give it."""

    name: str
    atoms: Atoms


@dataclass(frozen=True)
class HullEntry:
    """A relaxed structure on the picture.

    Attributes:
        formula: reduced, elements in alphabetical order.
        fraction: of its atoms that are the first element.
        n_atoms: in the cell.
        energy_per_atom: of the kind that ranks on the model.
        space_group: number.
        is_generated: whether a search found it; else it is a known structure, relaxed from where it was.
        known_as: names of the known crystals that it matches, best first; of a known structure its own name.
        excess: energy per atom over that of the elements apart.
        above_hull: distance per atom to the convex hull of all entries.
    """

    formula: str
    fraction: float
    n_atoms: int
    energy_per_atom: float
    space_group: int | None
    is_generated: bool
    known_as: tuple[str, ...]
    excess: float = 0.0
    above_hull: float = 0.0


@dataclass(frozen=True)
class BinaryHull:
    """What is known of the phases of two elements on one model.

    Attributes:
        elements: first and second.
        entries: generated structures and relaxed known ones; only those that converged.
        n_tried: starts and known structures.
    """

    elements: tuple[str, str]
    entries: Sequence[HullEntry]
    n_tried: int

    @cached_property
    def stable(self) -> list[HullEntry]:
        """For every composition on the hull its lowest entry, by ascending fraction."""
        lowest = {entry.formula: entry for entry in sorted(self.entries, key=lambda entry: -entry.energy_per_atom)}
        return sorted((e for e in lowest.values() if e.above_hull == 0), key=lambda entry: entry.fraction)

    @cached_property
    def found(self) -> dict[str, HullEntry]:
        """Known crystals that the search found, by name, each with the lowest generated structure that matches it."""
        ranked = sorted(self.entries, key=lambda entry: -entry.energy_per_atom)
        return {name: entry for entry in ranked if entry.is_generated for name in entry.known_as}


def list_formulas(elements: tuple[str, str]) -> list[str]:
    """The reduced formulas of two elements of at most six atoms, richest in the first element first."""
    pairs = [
        (first, total - first)
        for total in range(1, LARGEST_FORMULA + 1)
        for first in range(total + 1)
        if gcd(first, total - first) == 1
    ]
    pairs.sort(key=lambda pair: -pair[0] / sum(pair))
    return [
        Formula(tuple((symbol, count) for symbol, count in zip(elements, pair, strict=True) if count)).reduced
        for pair in pairs
    ]


def survey_binary(
    model: Model,
    elements: tuple[str, str],
    n: int,
    *,
    known: Sequence[KnownStructure] = (),
    seed: int = 0,
    on_progress: OnProgress | None = None,
) -> BinaryHull:
    """Search every composition of two elements blindly, relax the known structures on the same surface, and measure all
    against the convex hull.

    No start is made from a known structure.

    Args:
        model: a model that knows both elements.
        elements: their symbols.
        n: samples at every composition.
        known: crystals of the two elements.
        seed: seed of the searches.
        on_progress: called after every composition and every batch of known structures.

    Raises:
        InputError: the model does not know an element, or nothing gives the energy of one.
        SearchError: nothing converged.
    """
    formulas = list_formulas(elements)
    n_tried = n * len(formulas) + len(known)
    report = on_progress or (lambda _done, _total: None)
    matcher = Matcher([(item.name, item.atoms) for item in known])
    entries: list[HullEntry] = []
    for count, formula in enumerate(formulas, start=1):
        entries += _search(model, formula, n, seed, elements[0], matcher)
        report(count * n, n_tried)
    entries += relax_known(model, known, elements[0], lambda done: report(n * len(formulas) + done, n_tried))
    if not entries:
        raise SearchError(f"None of {n_tried} structures of {'-'.join(elements)} converged.")
    return BinaryHull(elements, _measure(entries, model.card.reference_energies), n_tried)


def relax_known(
    model: Model, known: Sequence[KnownStructure], first: str, on_progress: Callable[[int], None]
) -> list[HullEntry]:
    """The known structures where the model's surface leads them; of several of one name the lowest."""
    best: dict[str, HullEntry] = {}
    for done, group in _group(known):
        batch = StructureBatch.from_atoms([item.atoms for item in group], dtype=torch.float32, device=model.device)
        relaxed = relax(model.potential, batch, RelaxationConfig())
        estimates = model.estimate_formation_energies(relaxed.structures)
        energies = relaxed.energies / batch.sizes if estimates is None else estimates
        for item, atoms, energy, converged in zip(
            group, relaxed.structures.to_atoms(), energies.tolist(), relaxed.converged.tolist(), strict=True
        ):
            if converged and (item.name not in best or energy < best[item.name].energy_per_atom):
                best[item.name] = _make_entry(atoms, energy, first, is_generated=False, known_as=(item.name,))
        on_progress(done)
    return list(best.values())


def _search(model: Model, formula: str, n: int, seed: int, first: str, matcher: Matcher[str]) -> list[HullEntry]:
    spec = GenerationSpec(composition=formula, n=n, model=model.card.name, seed=seed)
    found = generate_samples(model, spec, range(n)).structures
    return [
        _make_entry(
            item.atoms,
            item.ranking_energy,
            first,
            is_generated=True,
            known_as=tuple(dict.fromkeys(match.key for match in matcher.find_matches(item.atoms))),
        )
        for item in found
        if item.converged
    ]


def _make_entry(atoms: Atoms, energy: float, first: str, *, is_generated: bool, known_as: tuple[str, ...]) -> HullEntry:
    group = find_space_group(atoms)
    counts = Counter(atoms.get_chemical_symbols())
    return HullEntry(
        formula=Formula(tuple(sorted(counts.items()))).reduced,
        fraction=counts[first] / len(atoms),
        n_atoms=len(atoms),
        energy_per_atom=energy,
        space_group=group.number if group else None,
        is_generated=is_generated,
        known_as=known_as,
    )


def _measure(entries: Sequence[HullEntry], reference_energies: Mapping[str, float]) -> list[HullEntry]:
    """The same with excess energies and distances to the hull."""
    compositions = [dict(parse_formula(entry.formula).counts) for entry in entries]
    energies = [entry.energy_per_atom for entry in entries]
    excess = excess_energies(compositions, energies, reference_energies)
    above = energies_above_hull(compositions, energies, reference_energies)
    return [
        replace(entry, excess=value, above_hull=distance)
        for entry, value, distance in zip(entries, excess, above, strict=True)
    ]


def _group(known: Sequence[KnownStructure]) -> list[tuple[int, list[KnownStructure]]]:
    """Groups that relax together, each with the number of structures up to its end."""
    groups: list[tuple[int, list[KnownStructure]]] = []
    n_atoms = _ATOMS_AT_ONCE
    for done, item in enumerate(known, start=1):
        if n_atoms + len(item.atoms) > _ATOMS_AT_ONCE:
            groups.append((done, []))
            n_atoms = 0
        groups[-1] = (done, [*groups[-1][1], item])
        n_atoms += len(item.atoms)
    return groups
