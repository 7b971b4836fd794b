"""Random structure search: starts, relaxation, results."""

from rm_engine.search.generation import generate, generate_samples
from rm_engine.search.result import GeneratedStructure, GenerationResult, Progress, SampleFailure
from rm_engine.search.start import draw_start

__all__ = [
    "GeneratedStructure",
    "GenerationResult",
    "Progress",
    "SampleFailure",
    "draw_start",
    "generate",
    "generate_samples",
]
