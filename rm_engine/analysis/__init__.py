"""What the structures are: symmetry, matches, duplicates, the pseudo convex hull.

Everything is imported on first use: pymatgen and SciPy take half a second, and a search needs neither.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rm_engine.lazy import find_on_first_use

if TYPE_CHECKING:
    from rm_engine.analysis.carbon import CarbonForm, find_carbon_form
    from rm_engine.analysis.duplicates import find_duplicates
    from rm_engine.analysis.hull import energies_above_hull, excess_energies, hull_energies
    from rm_engine.analysis.matching import Match, Matcher
    from rm_engine.analysis.molecules import MoleculeReport, examine_molecule, find_molecule_flaw
    from rm_engine.analysis.symmetry import SpaceGroup, find_space_group

__all__ = [
    "CarbonForm",
    "Match",
    "Matcher",
    "MoleculeReport",
    "SpaceGroup",
    "energies_above_hull",
    "examine_molecule",
    "excess_energies",
    "find_carbon_form",
    "find_duplicates",
    "find_molecule_flaw",
    "find_space_group",
    "hull_energies",
]

__getattr__ = find_on_first_use(
    __name__,
    {
        "carbon": ("CarbonForm", "find_carbon_form"),
        "duplicates": ("find_duplicates",),
        "hull": ("energies_above_hull", "excess_energies", "hull_energies"),
        "matching": ("Match", "Matcher"),
        "molecules": ("MoleculeReport", "examine_molecule", "find_molecule_flaw"),
        "symmetry": ("SpaceGroup", "find_space_group"),
    },
)
