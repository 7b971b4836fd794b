"""What is asked of the fields of a run: bounds, and which of them go together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from rm_engine.errors import InputError
from rm_engine.spec.cell import check_cell, heights
from rm_engine.spec.formula import check_size
from rm_engine.spec.limits import MAX_ELEMENTS, MAX_GENERATIONS, MAX_HOPS, MAX_PRESSURE, MAX_STEPS, MAX_SWAPS
from rm_engine.spec.properties import check_target
from rm_engine.spec.system import ChemicalSystem, parse_composition

if TYPE_CHECKING:
    from rm_engine.spec.generation import GenerationSpec


def check_seed_structure(spec: GenerationSpec) -> None:
    """A seed structure says cell and boundary itself, and a formula which atoms are added to it."""
    seed = spec.seed_structure
    if seed is None:
        if spec.relax_seed:
            raise _conflict("relax_seed", True, "there is no seed structure", "Give one, or leave it out.")
        return
    added = parse_composition(spec.composition)
    in_the_way = {
        "formula_units": spec.formula_units is not None,
        "cell": spec.cell not in (None, seed.cell),
        "seed_structure": not spec.is_crystal and spec.periodic != seed.periodic,
        "swaps": spec.swaps > 0,
        "hops": spec.hops > 0,
        "generations": spec.generations > 0,
    }
    for field, is_given in in_the_way.items():
        if is_given:
            reason = "a seed structure has its own cell and boundary, to which the atoms of one formula are added"
            raise _conflict(field, getattr(spec, field), reason, "Leave it out, or the seed structure.")
    if isinstance(added, ChemicalSystem):
        way = "Give the formula of the atoms that are added."
        raise _conflict("composition", spec.composition, "a chemical system cannot be added to a structure", way)
    whole = seed.formula + added
    check_size(whole, str(whole), "seed_structure")
    if len(whole.elements) > MAX_ELEMENTS:
        reason, way = f"{len(whole.elements)} elements with those added, at most {MAX_ELEMENTS}", "Use fewer elements."
        raise InputError("too_many_elements", "seed_structure", str(whole), reason, way)


def check_system(spec: GenerationSpec) -> None:
    """A chemical system leaves it to the search how much of which formula goes into which cell."""
    if not spec.is_crystal:
        reason, way = "a chemical system is searched for crystals", "Give a formula, or ask for crystals."
        raise _conflict("composition", spec.composition, reason, way)
    for field, value in (("cell", spec.cell), ("formula_units", spec.formula_units)):
        if value is not None:
            reason = "the formulas of a chemical system differ in size, and each has cells of its own"
            raise _conflict(field, value, reason, "Leave it out, or give a formula.")


def check_volume(spec: GenerationSpec) -> None:
    """One of volume, density and cell says how large a start is, and only what relaxes has a volume to keep."""
    if spec.fixed_volume and (spec.fixed_cell or not spec.is_crystal):
        reason = "only crystals whose cell relaxes have a volume to keep"
        raise _conflict("fixed_volume", True, reason, "Leave it out, or ask for crystals whose cell is free.")
    if spec.density is not None:
        check_range("density", spec.density, 0.01, 50.0, "Give a density from 0.01 to 50 g/cm³.")
        if spec.volume_per_atom is not None or not spec.chooses_cell:
            reason = "a cell or a volume is given as well, or no crystal is asked for"
            way = "Give one of density, volume_per_atom and cell; density is for crystals only."
            raise _conflict("density", spec.density, reason, way)
    if spec.volume_per_atom is not None:
        low, high = spec.volume_per_atom
        for bound in (low, high):
            check_range("volume_per_atom", bound, 1.0, 1000.0, "Give volumes from 1 to 1000 Å³ per atom.")
        if low > high:
            raise InputError(
                "impossible_volume", "volume_per_atom", (low, high), "the range is empty", "Give [lowest, highest]."
            )
        if spec.cell is not None:
            raise _conflict("volume_per_atom", (low, high), "the cell already sets the volume", "Give only one.")


def check_pressure(spec: GenerationSpec) -> None:
    """Only a cell that can give way feels a pressure."""
    check_range("pressure", spec.pressure, 0, MAX_PRESSURE, f"Give 0 to {MAX_PRESSURE:g} pseudo units per Å³.")
    if spec.pressure and (spec.fixed_volume or spec.fixed_cell or not spec.is_crystal):
        reason = "only crystals whose volume is free give way to a pressure"
        raise _conflict("pressure", spec.pressure, reason, "Leave it out, or ask for crystals of free cell.")


def check_distances(spec: GenerationSpec) -> None:
    """Atoms of a start are some way apart, but not so far that there is none."""
    given = [("separations", distance) for distance in spec.least_by_pair.values()]
    given += [] if spec.min_distance is None else [("min_distance", spec.min_distance)]
    for field, distance in given:
        check_range(field, distance, 0.1, 10.0, "Give a distance from 0.1 to 10 Å.")


def check_cell_given(spec: GenerationSpec) -> None:
    """A cell is a basis, and there is one where one is needed."""
    if spec.cell is not None:
        check_cell(spec.cell)
    elif not (spec.is_crystal or spec.is_molecule):
        way = "Give the cell, rows are vectors in Å."
        raise InputError("cell_required", "cell", None, "a partly periodic boundary needs a cell", way)
    elif spec.fixed_cell:
        raise InputError("cell_required", "cell", None, "there is no cell to keep fixed", "Give the cell as well.")


def check_layer(spec: GenerationSpec) -> None:
    """Only what repeats along some vectors has a layer, within the heights of its cell along the others."""
    if spec.layer is None:
        return
    if spec.cell is None or spec.is_crystal or spec.is_molecule:
        reason = "only what is partly periodic has a layer"
        raise _conflict("layer", spec.layer, reason, "Leave it out, or say along which vectors nothing repeats.")
    low, high = spec.layer
    most = min(height for height, repeats in zip(heights(spec.cell), spec.periodic, strict=True) if not repeats)
    if not 0 <= low <= high <= most:
        reason = f"the heights do not rise, or do not lie between 0 and {most:.4g} Å, where the cell ends"
        raise InputError("out_of_range", "layer", spec.layer, reason, "Give [lowest, highest] within the cell, Å.")


def check_starts(spec: GenerationSpec) -> None:
    """What brings a cell of its own is for crystals whose cell the search chooses."""
    if spec.allowed_space_groups is not None and not spec.chooses_cell:
        reason = "a space group brings a cell of its own, and only crystals have one"
        way = "Leave out the cell and ask for crystals, or leave out the space groups."
        raise _conflict("space_groups", spec.space_groups, reason, way)
    if spec.starts is not None and (spec.starts.references > 0 or spec.starts.wyckoff > 0) and not spec.chooses_cell:
        reason = "known structures and Wyckoff positions bring a cell of their own, and only crystals have one"
        raise _conflict("starts", asdict(spec.starts), reason, "Leave out the cell, or ask for random starts.")


def check_moves(spec: GenerationSpec) -> None:
    """Atoms go elsewhere than down only where nothing else says where they are."""
    bounds = {"swaps": MAX_SWAPS, "hops": MAX_HOPS, "generations": MAX_GENERATIONS, "annealing": MAX_STEPS}
    for field, most in bounds.items():
        value = getattr(spec, field)
        check_range(field, value, 0, most, f"Give a whole number from 0 to {most}.")
        if value and spec.space_groups is not None:
            reason = "a structure would lose the space group asked for"
            raise _conflict(field, value, reason, "Leave it out, or ask for crystals of any symmetry.")
        if value and spec.is_molecule and field in {"swaps", "generations"}:
            reason = "the bonds of a molecule say which atom is where"
            raise _conflict(field, value, reason, "Leave it out, or ask for crystals.")


def check_target_wanted(spec: GenerationSpec) -> None:
    """What estimates properties has learned crystals."""
    if spec.target is None:
        return
    check_target(spec.target)
    if not spec.is_crystal:
        reason = "what estimates properties has learned nothing but crystals"
        raise _conflict("target", dict(spec.target), reason, "Leave it out, or ask for crystals.")


def _conflict(field: str, value: Any, reason: str, way: str) -> InputError:  # noqa: ANN401  # of any field
    return InputError("conflicting_fields", field, value, reason, way)


def check_range(field: str, value: float, low: float, high: float, hint: str) -> None:
    """Refuse a value that does not lie between two bounds, these included.

    Raises:
        InputError: it does not; ``hint`` is the way out.
    """
    if not low <= value <= high:  # also refuses NaN
        raise InputError("out_of_range", field, value, f"the value must lie between {low:g} and {high:g}", hint)


def check_choice(field: str, value: str | None, choices: Sequence[str]) -> None:
    """Refuse a value that is none of the choices; None leaves it to the engine.

    Raises:
        InputError: it is not.
    """
    if value is not None and value not in choices:
        raise InputError("invalid_value", field, value, "there is no such choice", f"Give one of {', '.join(choices)}.")
