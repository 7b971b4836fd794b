"""What the structures are: symmetry, matches, duplicates, the pseudo convex hull."""

from rm_engine.analysis.symmetry import SpaceGroup, find_space_group

__all__ = ["SpaceGroup", "find_space_group"]
