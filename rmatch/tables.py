"""Structures in tables for the terminal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final

from rich.box import SIMPLE_HEAD
from rich.table import Table

from rm_engine.spec import ModelCard, parse_formula

if TYPE_CHECKING:
    import rm_client
    from rm_client.answers import SpaceGroup as AnsweredSpaceGroup
    from rm_engine import GeneratedStructure
    from rm_engine.analysis import SpaceGroup

_COLUMNS: Final = ("formula", "atoms", "energy/atom", "above hull", "energy of", "space group", "known as")
_NUMBERS: Final = {"atoms", "energy/atom", "above hull"}
_N_SHOWN: Final = 10


def structure_table(title: str, items: Iterable[rm_client.StructureItem]) -> Table:
    """A table of structures as the API gives them, with the energy that each model ranks by.

    Where all energies are of one kind and model, that is said once below the table.
    """
    rows = [_row(item) for item in items]
    kinds = {row["energy of"] for row in rows}
    columns = [name for name in _COLUMNS if name != "energy of" or len(kinds) > 1]
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, title_style="bold", pad_edge=False)
    for name in columns:
        table.add_column(name, justify="right" if name in _NUMBERS else "left", no_wrap=name != "known as")
    for row in rows:
        table.add_row(*(row[name] for name in columns))
    if len(kinds) == 1:
        table.caption, table.caption_justify = f"Energies of {kinds.pop()}.", "left"
    return table


def found_table(found: Sequence[GeneratedStructure], card: ModelCard) -> Table:
    """A table of the first ten structures that a search has found."""
    title = f"Energies per atom: {card.name}, {energy_text(card.energy_kind)}"
    table = Table("sample", "formula", "energy", "gap, eV", "space group", "start", "converged", "steps", title=title)
    for item in found[:_N_SHOWN]:
        table.add_row(
            str(item.sample),
            item.atoms.get_chemical_formula(),
            f"{item.ranking_energy:.5f}",
            "" if item.band_gap is None else f"{item.band_gap:.2f}",
            space_group_text(item.space_group),
            item.start,
            "yes" if item.converged else "no",
            str(item.n_steps),
        )
    return table


def formula_table(
    found: Sequence[GeneratedStructure], energies_above_hull: Sequence[float | None], card: ModelCard
) -> Table:
    """A table of the lowest structure of each formula that a search has found, those on the hull first.

    Args:
        found: what was found.
        energies_above_hull: of each structure, see :func:`rm_engine.search.find_energies_above_hull`.
        card: of the model.
    """
    formulas = [parse_formula(item.atoms.get_chemical_formula()).reduced for item in found]
    n_found = Counter(formulas)
    ranked = sorted(
        (row for row in zip(energies_above_hull, formulas, found, strict=True) if row[0] is not None),
        key=lambda row: (row[0], row[1]),
    )
    lowest = {formula: (above, item) for above, formula, item in reversed(ranked)}
    title = f"Energies per atom: {card.name}, {energy_text(card.energy_kind)}"
    table = Table("formula", "above hull", "energy", "space group", "sample", "start", "structures", title=title)
    for formula, (above, item) in sorted(lowest.items(), key=lambda entry: (entry[1][0], entry[0])):
        table.add_row(
            formula,
            "on the hull" if above == 0 else f"{above:.4f}",
            f"{item.ranking_energy:.4f}",
            space_group_text(item.space_group),
            str(item.sample),
            item.start,
            str(n_found[formula]),
        )
    return table


def _row(item: rm_client.StructureItem) -> dict[str, str]:
    above = item.energy_above_hull
    return {
        "formula": item.formula,
        "atoms": str(item.n_atoms),
        "energy/atom": f"{item.energy_per_atom:.4f}",
        "above hull": "" if above is None else f"{above:.4f}",
        "energy of": f"{item.model}, {energy_text(item.energy_kind)}",
        "space group": space_group_text(item.space_group),
        "known as": _match_text(item),
    }


def space_group_text(space_group: SpaceGroup | AnsweredSpaceGroup | None) -> str:
    """E.g. ``Fm-3m (225)``."""
    return f"{space_group.symbol} ({space_group.number})" if space_group else ""


def energy_text(kind: str) -> str:
    """What an energy is, with its unit; pseudo energies have none."""
    return "pseudo" if kind == "pseudo" else f"{kind} (eV)"


def _match_text(item: rm_client.StructureItem) -> str:
    """The best match; marked where the structure started from that very reference, and so is no discovery."""
    if not item.matches:
        return ""
    match = item.matches[0]
    return f"{match.name} (its start)" if match.reference == item.start_origin else match.name
