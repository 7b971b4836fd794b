"""The CACE potential: radial and angular basis, invariants, readout; energy, forces and stress."""

from rm_engine.potential.cace import CACE
from rm_engine.potential.evaluation import Response, evaluate

__all__ = ["CACE", "Response", "evaluate"]
