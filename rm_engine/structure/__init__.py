"""Batches of structures and their cells."""

from rm_engine.structure.batch import StructureBatch
from rm_engine.structure.cells import cell_heights, reduce_cell, standardize
from rm_engine.structure.symmetry import CrystalSymmetry

__all__ = ["CrystalSymmetry", "StructureBatch", "cell_heights", "reduce_cell", "standardize"]
