"""What can relax structures."""

from __future__ import annotations

from typing import Final, Literal, get_args

OptimizerName = Literal["fire", "lbfgs"]
OPTIMIZERS: Final[tuple[OptimizerName, ...]] = get_args(OptimizerName)
