"""The properties that OPTIMADE names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from rm_engine.spec import Formula, parse_formula
from rm_engine.units import SYMBOLS
from service.domain.patterns import Pattern
from service.domain.views import StructureOrder, StructureView
from service.optimade.properties import DataType, Property


def _ratios(view: StructureView) -> list[float]:
    formula = parse_formula(view.reduced_formula)
    return [count / formula.n_atoms for _, count in formula.counts]


def write_hill(formula: Formula) -> str:
    """In Hill order: carbon and hydrogen come first where there is carbon."""
    counts = dict(formula.counts)
    first = ("C", "H") if "C" in counts else ()
    order = [*(symbol for symbol in first if symbol in counts), *sorted(counts.keys() - set(first))]
    return "".join(f"{symbol}{counts[symbol] if counts[symbol] > 1 else ''}" for symbol in order)


def _hill(view: StructureView) -> str | None:
    """Of molecules only: what the formula unit of a crystal is, nobody has said."""
    return write_hill(parse_formula(view.formula)) if view.n_periodic == 0 else None


def _symbols(view: StructureView) -> list[str]:
    return [SYMBOLS[number] for number in _atoms(view)["numbers"]]


def _species(view: StructureView) -> list[dict[str, Any]]:
    """In the order of their first sites: readers that take them for the sites where there are as many are right."""
    return [
        {"name": symbol, "chemical_symbols": [symbol], "concentration": [1.0]}
        for symbol in dict.fromkeys(_symbols(view))
    ]


def _lattice(view: StructureView) -> list[list[float | None]]:
    atoms = _atoms(view)
    return [
        list(vector) if is_periodic else [None] * 3
        for vector, is_periodic in zip(atoms["cell"], atoms["periodic"], strict=True)
    ]


def _atoms(view: StructureView) -> Mapping[str, Any]:
    return view.atoms or {}


STANDARD: Final[dict[str, Property]] = {
    "id": Property(
        DataType.STRING,
        "Job and sample that the structure came of. Ids sort by the time of the job.",
        lambda view: view.id,
        field="id",
        order=StructureOrder.CREATED,
        is_always_known=True,
    ),
    "type": Property(
        DataType.STRING, "Always `structures`.", lambda _: "structures", constant="structures", is_always_known=True
    ),
    "immutable_id": Property(
        DataType.STRING,
        "The same as `id`: a structure never changes.",
        lambda view: view.id,
        field="id",
        is_always_known=True,
    ),
    "last_modified": Property(
        DataType.TIMESTAMP,
        "When it was recorded. Only its distance to the hull, and whether it is a duplicate, are told later.",
        lambda view: view.created_at.isoformat().replace("+00:00", "Z"),
        field="created_at",
        is_always_known=True,
    ),
    "elements": Property(
        DataType.LIST,
        "Symbols of the elements, in alphabetical order.",
        lambda view: view.chemsys.split("-"),
        field="elements",
        item_type=DataType.STRING,
        length="n_elements",
        is_always_known=True,
    ),
    "nelements": Property(
        DataType.INTEGER,
        "Number of elements.",
        lambda view: view.chemsys.count("-") + 1,
        field="n_elements",
        is_always_known=True,
    ),
    "elements_ratios": Property(
        DataType.LIST,
        "Atomic fractions of the elements, in their order.",
        _ratios,
        field="elements_ratios",
        item_type=DataType.FLOAT,
        length="n_elements",
        is_always_known=True,
    ),
    "chemical_formula_descriptive": Property(
        DataType.STRING,
        "Formula of the cell, or of the molecule, as it was asked for.",
        lambda view: view.formula,
        field="formula",
        is_always_known=True,
    ),
    "chemical_formula_reduced": Property(
        DataType.STRING,
        "Reduced formula, symbols in alphabetical order.",
        lambda view: view.reduced_formula,
        field="reduced_formula",
        is_always_known=True,
    ),
    "chemical_formula_hill": Property(
        DataType.STRING, "Formula of a molecule in Hill order; unknown for crystals.", _hill, field="hill"
    ),
    "chemical_formula_anonymous": Property(
        DataType.STRING,
        "Reduced formula with letters for elements, the largest count first.",
        lambda view: Pattern.of(parse_formula(view.reduced_formula).anonymous).descending,
        field="anonymous_formula",
        is_always_known=True,
    ),
    "nperiodic_dimensions": Property(
        DataType.INTEGER,
        "Number of periodic cell vectors: 3 for a crystal, 0 for a molecule.",
        lambda view: sum(_atoms(view)["periodic"]),
        field="n_periodic",
        needs_atoms=True,
    ),
    "dimension_types": Property(
        DataType.LIST,
        "For each cell vector 1 where the structure repeats along it, 0 elsewhere.",
        lambda view: [int(repeats) for repeats in _atoms(view)["periodic"]],
        field="dimension_types",
        item_type=DataType.INTEGER,
        length=3,
        needs_atoms=True,
    ),
    "lattice_vectors": Property(
        DataType.LIST,
        "Cell vectors, one in each row, Å; null along what does not repeat.",
        _lattice,
        length=3,
        unit="Å",
        is_always_known=True,
        needs_atoms=True,
    ),
    "space_group_it_number": Property(
        DataType.INTEGER,
        "Number of the space group of a crystal, within 0.1 Å.",
        lambda view: view.space_group_number,
        field="space_group_number",
    ),
    "cartesian_site_positions": Property(
        DataType.LIST,
        "Positions of the sites, Å.",
        lambda view: _atoms(view)["positions"],
        length="n_atoms",
        unit="Å",
        is_always_known=True,
        needs_atoms=True,
    ),
    "nsites": Property(
        DataType.INTEGER, "Number of atoms.", lambda view: view.n_atoms, field="n_atoms", is_always_known=True
    ),
    "species": Property(
        DataType.LIST,
        "The elements again, as what occupies sites.",
        _species,
        length="n_elements",
        is_always_known=True,
        needs_atoms=True,
    ),
    "species_at_sites": Property(
        DataType.LIST,
        "Name of the species at each site.",
        _symbols,
        length="n_atoms",
        is_always_known=True,
        needs_atoms=True,
    ),
    "structure_features": Property(
        DataType.LIST,
        "Always empty: sites are full, and none is implied.",
        lambda _: [],
        item_type=DataType.STRING,
        constant=(),
        is_always_known=True,
    ),
}
