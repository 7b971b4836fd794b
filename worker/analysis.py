"""The analysis of a whole job: duplicates among its structures, and the hulls that they change."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import structlog

from rm_engine.analysis import energies_above_hull, find_duplicates
from rm_engine.files import from_json
from rm_engine.spec import parse_formula
from service.domain import HullSystem, JobStructure

_log = structlog.get_logger(__name__)


def find_originals(structures: Sequence[JobStructure]) -> dict[str, str | None]:
    """For each structure the one of lower energy that it repeats, or None where it is the first of its kind."""
    atoms = [from_json(structure.atoms) for structure in structures]
    originals = find_duplicates(atoms, [structure.pseudo_energy_per_atom for structure in structures])
    return {
        structure.id: None if original is None else structures[original].id
        for structure, original in zip(structures, originals, strict=True)
    }


def measure_hulls(systems: Iterable[HullSystem], reference_energies: Mapping[str, float]) -> dict[str, float]:
    """Energy above the hull, per atom, of every member of every system.

    A system with an element whose energy nobody knows has no hull; its members are left out.

    Args:
        systems: crystals of one model.
        reference_energies: that model's energies per atom of the elements, of the kind that it ranks by.
    """
    return {key: value for system in systems for key, value in _measure(system, reference_energies).items()}


def _measure(system: HullSystem, reference_energies: Mapping[str, float]) -> dict[str, float]:
    entries = (*system.members, *system.subsystems)
    formulas = [parse_formula(entry.formula) for entry in entries]
    known = {*reference_energies, *(formula.elements[0] for formula in formulas if len(formula.elements) == 1)}
    if missing := set(system.chemsys.split("-")) - known:
        _log.warning("no_hull", chemsys=system.chemsys, elements_without_energy=sorted(missing))
        return {}
    distances = energies_above_hull(
        [dict(formula.counts) for formula in formulas],
        [entry.ranking_energy for entry in entries],
        reference_energies,
    )
    return {member.structure_id: distance for member, distance in zip(system.members, distances, strict=False)}
