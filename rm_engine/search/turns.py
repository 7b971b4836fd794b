"""Turns in proportion to weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Generic, TypeVar

import numpy as np

Item = TypeVar("Item")


class Turns(Generic[Item]):
    """Items that take turns in proportion to their weights (Sainte-Laguë's divisors), the heaviest first.

    Args:
        items: at least one.
        weights: of the items, positive.
        once: items that gain nothing from a second turn, and get none before all others had many.
    """

    def __init__(self, items: Sequence[Item], weights: Sequence[float], once: Sequence[bool] | None = None) -> None:
        self._items = items
        self._weights = np.array(weights) + 1e-9
        self._once = np.array(once or [False] * len(items))
        self._n_turns = np.zeros(len(items), dtype=int)
        self._order: list[tuple[int, int]] = []

    def of(self, turn: int) -> tuple[Item, int]:
        """Whose turn it is, and how many turns that item had before."""
        while len(self._order) <= turn:
            used_up = self._once & (self._n_turns > 0)
            item = int(np.argmax(self._weights / (2 * self._n_turns + 1) * np.where(used_up, 1e-9, 1.0)))
            self._order.append((item, int(self._n_turns[item])))
            self._n_turns[item] += 1
        item, before = self._order[turn]
        return self._items[item], before
