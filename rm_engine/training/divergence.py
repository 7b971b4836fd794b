"""Telling a training run that diverges from one whose loss is merely restless."""

from __future__ import annotations

import math
from collections import deque
from statistics import median
from typing import Final

from rm_engine.errors import TrainingDivergedError

WINDOW: Final = 101
"""Losses that a running median is taken over."""
MULTIPLE: Final = 10.0
"""A loss is far off above this multiple of the lowest running median so far."""
PATIENCE: Final = 50
"""Losses in a row that must be far off before the run is stopped; a single hard batch is no reason."""


class DivergenceGuard:
    """Watches the loss of every step.

    Args:
        level: what the loss came down to before, in a run that goes on; infinite for one that begins.
    """

    def __init__(self, level: float = math.inf) -> None:
        self._level = level
        self._recent: deque[float] = deque(maxlen=WINDOW)
        self._n_far_off = 0

    @property
    def is_calm(self) -> bool:
        """Whether the last loss was not far off: such a state is worth keeping."""
        return self._n_far_off == 0

    def check(self, step: int, loss: float, gradient_norm: float = 0.0) -> None:
        """Take down one loss, before the step is made with its gradient.

        Raises:
            TrainingDivergedError: the loss or its gradient is not finite, or the loss has been far off for too long.
        """
        for name, value in (("loss", loss), ("gradient", gradient_norm)):
            if not math.isfinite(value):
                raise TrainingDivergedError(step, f"the {name} is {value}")
        self._recent.append(loss)
        if len(self._recent) == WINDOW:
            self._level = min(self._level, median(self._recent))
        self._n_far_off = self._n_far_off + 1 if loss > MULTIPLE * self._level else 0
        if self._n_far_off >= PATIENCE:
            reason = f"the loss stayed above {MULTIPLE:g} times its lowest running median, {self._level:.3g}"
            raise TrainingDivergedError(step, f"{reason}, for {PATIENCE} steps (now {loss:.3g})")
