"""The analysis of a whole job: duplicates among its structures, and the hulls that they change."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import structlog

from rm_engine.analysis import find_duplicates, hull_energies
from rm_engine.files import from_json
from rm_engine.spec import parse_formula
from service.domain import HULL_RESOLUTION, HullSystem, JobStructure

_log = structlog.get_logger(__name__)


def find_originals(structures: Sequence[JobStructure]) -> dict[str, str | None]:
    """For each structure the one that it repeats, the lowest by what ranks, or None where it is that one itself."""
    atoms = [from_json(structure.atoms) for structure in structures]
    originals = find_duplicates(
        atoms,
        [structure.pseudo_energy_per_atom for structure in structures],
        [structure.ranking_energy for structure in structures],
    )
    return {
        structure.id: None if original is None else structures[original].id
        for structure, original in zip(structures, originals, strict=True)
    }


def measure_hulls(systems: Iterable[HullSystem], reference_energies: Mapping[str, float]) -> dict[str, float]:
    """Energy of the hull, per atom, at every reduced formula where it is not the stored one.

    A system with an element whose energy nobody knows has no hull; its members are left out.

    Args:
        systems: of one model: a chemical system, then larger ones that contain it. They are not even asked for where no
            structure has come to lie on the hull of the first: then theirs are as they were.
        reference_energies: that model's energies per atom of the elements, of the kind that it ranks by.
    """
    changed: dict[str, float] = {}
    for place, system in enumerate(systems):
        hull = _measure(system, reference_energies)
        found = [(entry, hull[entry.reduced_formula]) for entry in system.members if entry.reduced_formula in hull]
        changed |= {e.reduced_formula: energy for e, energy in found if not e.is_measured or e.is_lowered_to(energy)}
        if place == 0 and not any(e.is_below_hull and e.lowest_energy <= h + HULL_RESOLUTION for e, h in found):
            break
    return changed


def _measure(system: HullSystem, reference_energies: Mapping[str, float]) -> dict[str, float]:
    """Energy of the hull per atom at the compositions of the members."""
    entries = (*system.members, *system.subsystems)
    if not any(entry.is_below_hull for entry in entries):
        return {
            member.reduced_formula: member.hull_energy for member in system.members if member.hull_energy is not None
        }
    formulas = [parse_formula(entry.reduced_formula) for entry in entries]
    known = {*reference_energies, *(formula.elements[0] for formula in formulas if len(formula.elements) == 1)}
    if missing := set(system.chemsys.split("-")) - known:
        _log.warning("no_hull", chemsys=system.chemsys, elements_without_energy=sorted(missing))
        return {}
    hull = hull_energies(
        [dict(formula.counts) for formula in formulas], [entry.lowest_energy for entry in entries], reference_energies
    )
    return {member.reduced_formula: energy for member, energy in zip(system.members, hull, strict=False)}
