"""Batches of structures and their cells."""

from rm_engine.structure.batch import StructureBatch

__all__ = ["StructureBatch"]
