"""Figures with their uncertainty: shares after Wilson, means and medians by the bootstrap."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

_Z: Final = 1.959963984540054
"""Quantile of the normal distribution for 95 %."""
_N_RESAMPLES: Final = 4000
_SEED: Final = 0

Statistic = Callable[[NDArray[np.float64]], NDArray[np.float64]]
"""(n_resamples, n) values to (n_resamples,)."""


@dataclass(frozen=True)
class Estimate:
    """A figure with its 95 % confidence interval.

    Attributes:
        value: the figure; NaN where there was nothing to measure.
        low: lower end of the interval.
        high: upper end.
        n: number of values it was taken over.
    """

    value: float
    low: float
    high: float
    n: int


NOTHING: Final = Estimate(math.nan, math.nan, math.nan, 0)
"""The estimate over no values."""


def wilson_interval(n_true: float, n: int) -> tuple[float, float]:
    """95 % interval of a share (E. B. Wilson, J. Am. Stat. Assoc. 22, 209 (1927)); stays within 0 and 1.

    Args:
        n_true: number of cases in which it was so.
        n: number of cases, at least 1.
    """
    share, z2 = n_true / n, _Z**2
    center = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = _Z / (1 + z2 / n) * math.sqrt(share * (1 - share) / n + z2 / (4 * n**2))
    return max(0.0, center - half), min(1.0, center + half)


def estimate_share(outcomes: Sequence[bool]) -> Estimate:
    """How often it was so, with Wilson's interval."""
    n, n_true = len(outcomes), sum(outcomes)
    return Estimate(n_true / n, *wilson_interval(n_true, n), n) if n else NOTHING


def estimate_mean(values: Sequence[float]) -> Estimate:
    """The mean, with the percentiles of a seeded bootstrap; Wilson's interval where every value is 0 or 1.

    The bootstrap of a share that is 0 or 1 would be certain of it.
    """
    if set(values) <= {0, 1}:
        return estimate_share([bool(value) for value in values])
    return _bootstrap(values, lambda drawn: drawn.mean(axis=1))


def estimate_median(values: Sequence[float]) -> Estimate:
    """The median, with the percentiles of a seeded bootstrap."""
    return _bootstrap(values, lambda drawn: np.asarray(np.median(drawn, axis=1)))


def _bootstrap(values: Sequence[float], statistic: Statistic) -> Estimate:
    if not values:
        return NOTHING
    measured = np.asarray(values, dtype=np.float64)
    drawn = np.random.default_rng(_SEED).integers(len(measured), size=(_N_RESAMPLES, len(measured)))
    low, high = np.percentile(statistic(measured[drawn]), [2.5, 97.5])
    return Estimate(float(statistic(measured[None])[0]), float(low), float(high), len(measured))
