"""Batches of structures and their cells."""

from rm_engine.structure.batch import StructureBatch
from rm_engine.structure.cells import cell_heights, reduce_cell, standardize

__all__ = ["StructureBatch", "cell_heights", "reduce_cell", "standardize"]
