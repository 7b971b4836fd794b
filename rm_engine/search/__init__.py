"""Random structure search: starts, relaxation, results."""

from rm_engine.search.above_hull import find_energies_above_hull
from rm_engine.search.generation import generate, generate_samples
from rm_engine.search.result import GeneratedStructure, GenerationResult, Progress, SampleFailure
from rm_engine.search.stages import relax_starts
from rm_engine.search.starts import Start, Starts

__all__ = [
    "GeneratedStructure",
    "GenerationResult",
    "Progress",
    "SampleFailure",
    "Start",
    "Starts",
    "find_energies_above_hull",
    "generate",
    "generate_samples",
    "relax_starts",
]
