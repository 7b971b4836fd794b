"""What the structures are: symmetry, matches, duplicates, the pseudo convex hull."""

from rm_engine.analysis.carbon import CarbonForm, find_carbon_form
from rm_engine.analysis.duplicates import find_duplicates
from rm_engine.analysis.hull import energies_above_hull, excess_energies
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
]
