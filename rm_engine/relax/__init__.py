"""Batched relaxation, atoms and cells together."""

from rm_engine.relax.config import RelaxationConfig
from rm_engine.relax.fire import FireConfig
from rm_engine.relax.guard import GuardConfig
from rm_engine.relax.langevin import LangevinConfig
from rm_engine.relax.lbfgs import LBFGSConfig
from rm_engine.relax.optimizer import Optimizer
from rm_engine.relax.outcome import OnDone, OnProgress, RelaxationResult
from rm_engine.relax.projection import Symmetries
from rm_engine.relax.pull import Pull, find_penalties
from rm_engine.relax.relaxation import relax, relax_in_stages
from rm_engine.relax.state import CellFreedom

__all__ = [
    "CellFreedom",
    "FireConfig",
    "GuardConfig",
    "LBFGSConfig",
    "LangevinConfig",
    "OnDone",
    "OnProgress",
    "Optimizer",
    "Pull",
    "RelaxationConfig",
    "RelaxationResult",
    "Symmetries",
    "find_penalties",
    "relax",
    "relax_in_stages",
]
