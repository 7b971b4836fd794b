"""Periodic neighbour lists for batches of structures."""

from rm_engine.neighbors.padded import (
    NeighborList,
    TooManyNeighborsError,
    build_neighbor_list,
    build_plain_list,
    count_images,
)

__all__ = [
    "NeighborList",
    "TooManyNeighborsError",
    "build_neighbor_list",
    "build_plain_list",
    "count_images",
]
