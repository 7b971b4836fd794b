"""Periodic neighbour lists for batches of structures."""

from rm_engine.neighbors.padded import (
    NeighborList,
    TooManyNeighborsError,
    build_neighbor_list,
    build_plain_list,
    count_images,
)
from rm_engine.neighbors.skin import SkinnedNeighbors

__all__ = [
    "NeighborList",
    "SkinnedNeighbors",
    "TooManyNeighborsError",
    "build_neighbor_list",
    "build_plain_list",
    "count_images",
]
