"""Where the results of a search lie above their own hull."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from rm_engine.analysis import energies_above_hull
from rm_engine.search.result import GeneratedStructure
from rm_engine.spec import ModelCard


def find_energies_above_hull(found: Sequence[GeneratedStructure], card: ModelCard) -> list[float | None]:
    """Distance per atom of each structure to the hull of all converged crystals found and the model's elements, of the
    kind of energy by which the model ranks (n_structures).

    None for what is no converged crystal, and for all where the model has no energy of one of the elements.
    """
    compositions = [Counter(item.atoms.get_chemical_symbols()) for item in found]
    rows = [row for row, item in enumerate(found) if item.converged and item.atoms.pbc.all()]
    if not {symbol for row in rows for symbol in compositions[row]} <= set(card.reference_energies):
        rows = []
    distances = energies_above_hull(
        [compositions[row] for row in rows], [found[row].ranking_energy for row in rows], card.reference_energies
    )
    above = dict(zip(rows, distances, strict=True))
    return [above.get(row) for row in range(len(found))]
