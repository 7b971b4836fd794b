"""Keeping labels apart."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

_N_ROUNDS: Final = 2000
_PULL: Final = 0.02
"""Share of the way home that a label goes in a round."""


def spread_labels(homes: NDArray[np.float64], sizes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Move labels as little as need be so that no two overlap: (n_labels, 2) centres.

    Overlapping labels push each other along the axis on which they overlap least, and all are drawn home; the last
    rounds only push. The same input gives the same answer.

    Args:
        homes: (n_labels, 2) where the labels belong, points or pixels.
        sizes: (n_labels, 2) their widths and heights, in the same units.
    """
    # Labels of one place would not know where to go.
    centers = homes + 1e-3 * np.random.default_rng(0).standard_normal(homes.shape)
    least = (sizes[:, None] + sizes) / 2
    for round_ in range(_N_ROUNDS):
        apart = centers[:, None] - centers
        overlap = least - np.abs(apart)
        touching = (overlap > 0).all(axis=2) & ~np.eye(len(homes), dtype=bool)
        is_settling = round_ > 0.6 * _N_ROUNDS
        if is_settling and not touching.any():
            break
        axis = overlap.argmin(axis=2)
        push = np.where(np.arange(2) == axis[..., None], np.sign(apart) * overlap, 0.0) * touching[..., None]
        centers = centers + 0.3 * push.sum(axis=1) + (0.0 if is_settling else _PULL) * (homes - centers)
    return centers
