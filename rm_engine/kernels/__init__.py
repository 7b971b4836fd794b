"""The potential and the relaxation as a C kernel for the CPU, compiled at first use."""

from rm_engine.kernels.library import (
    Ending,
    Kernel,
    Neighborhoods,
    PullStruct,
    RelaxationConstants,
    RelaxationStruct,
    Shape,
    find_neighbors,
)
from rm_engine.kernels.packing import Packed, Weights

__all__ = [
    "Ending",
    "Kernel",
    "Neighborhoods",
    "Packed",
    "PullStruct",
    "RelaxationConstants",
    "RelaxationStruct",
    "Shape",
    "Weights",
    "find_neighbors",
]
