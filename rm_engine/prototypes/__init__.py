"""Prototypes of crystals: Wyckoff positions by stoichiometry pattern, counted over known structures."""

from rm_engine.prototypes.arrangements import Arrangements
from rm_engine.prototypes.drawing import draw_crystal
from rm_engine.prototypes.fitting import fit_prototypes
from rm_engine.prototypes.roles import Role, assign_elements, find_roles, label_prototype
from rm_engine.prototypes.symmetrizing import conventional_cell, find_crystal_symmetry
from rm_engine.prototypes.symmetry import find_symmetry
from rm_engine.prototypes.table import Assignment, Prototype, PrototypeTable, load_prototypes

__all__ = [
    "Arrangements",
    "Assignment",
    "Prototype",
    "PrototypeTable",
    "Role",
    "assign_elements",
    "conventional_cell",
    "draw_crystal",
    "find_crystal_symmetry",
    "find_roles",
    "find_symmetry",
    "fit_prototypes",
    "label_prototype",
    "load_prototypes",
]
