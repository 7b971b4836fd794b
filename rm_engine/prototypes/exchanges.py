"""Which elements take one another's place in crystals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from rm_engine.units import SYMBOLS

Floats = NDArray[np.float64]

_SELF: Final = 20.0
"""How much likelier an element stays itself than it is replaced by an average other one."""
_UNSEEN: Final = 0.02
"""Share of exchanges that is given to pairs that were never seen."""


def count_exchanges(families: Sequence[Sequence[tuple[int, ...]]]) -> Floats:
    """(119, 119) how often two elements take one another's place in crystals that are otherwise the same.

    Args:
        families: for each prototype the atomic numbers of its members, role by role.
    """
    exchanges = np.zeros((len(SYMBOLS), len(SYMBOLS)))
    for members in families:
        for role in range(len(members[0])):
            alike: dict[tuple[int, ...], set[int]] = {}
            for member in set(members):
                alike.setdefault(member[:role] + member[role + 1 :], set()).add(member[role])
            for elements in alike.values():
                if len(elements) > 1:
                    exchanges[np.ix_(sorted(elements), sorted(elements))] += 1 / (len(elements) - 1)
    np.fill_diagonal(exchanges, 0)
    return exchanges


def find_exchange_probabilities(exchanges: Floats) -> Floats:
    """(119, 119) probability that the element of the row is replaced by that of the column; rows sum to one."""
    known = exchanges.any(axis=0)
    n_known = max(1, int(known.sum()))
    share = exchanges.sum(axis=0) / max(1.0, float(exchanges.sum()))
    smoothed = exchanges + _UNSEEN * (exchanges.sum(axis=1, keepdims=True) * share + known / n_known)
    smoothed[np.diag_indices_from(smoothed)] = _SELF * smoothed.sum(axis=1) / n_known + 1e-6
    return np.asarray(smoothed / smoothed.sum(axis=1, keepdims=True))
