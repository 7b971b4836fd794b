"""The CACE potential: radial and angular basis, invariants, readout; energy, forces and stress."""

from rm_engine.potential.cace import CACE
from rm_engine.potential.compiled import CompiledPotential, compile_potential
from rm_engine.potential.evaluation import Response, estimate_energies, evaluate

__all__ = ["CACE", "CompiledPotential", "Response", "compile_potential", "estimate_energies", "evaluate"]
