"""What a model has learned of the elements: its embedding of them, and whether it knows the groups of the periodic
table.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import comb
from typing import Final

import numpy as np
from numpy.typing import NDArray

from rm_engine.checkpoint import Model
from rm_engine.errors import InputError
from rm_engine.units import ATOMIC_NUMBERS

Values = NDArray[np.float64]

LANTHANIDE: Final = "lanthanide"
ACTINIDE: Final = "actinide"
PERIOD_STARTS: Final = (1, 3, 11, 19, 37, 55, 87, 119)
"""Atomic numbers with which the periods begin."""
N_PERMUTATIONS: Final = 10_000


@dataclass(frozen=True)
class ElementMap:
    """The embedding of the elements that a model has learned.

    Attributes:
        symbols: the elements (n_elements).
        groups: their groups (n_elements), see :func:`find_group`.
        vectors: (n_elements, n_components) sender and, where it is separate, receiver embedding, every component
            centred and of unit variance.
        plane: (n_elements, 2) first two principal components of the vectors.
        explained: share of the variance that each of the two explains.
        has_receiver: whether the receiver has an embedding of its own.
    """

    symbols: tuple[str, ...]
    groups: tuple[str, ...]
    vectors: Values
    plane: Values
    explained: tuple[float, float]
    has_receiver: bool


@dataclass(frozen=True)
class Kinship:
    """How often the nearest elements are of an element's own group.

    Attributes:
        n_elements: elements that share their group with another one; the others cannot be right.
        nearest: share of them whose nearest element is of their own group.
        nearest_by_chance: expected share if embeddings had nothing to do with groups.
        among_three: share of them with one of their group among the three nearest.
        among_three_by_chance: expected share likewise.
        p_value: probability that ``nearest`` is so large by chance, from seeded permutations of the groups.
    """

    n_elements: int
    nearest: float
    nearest_by_chance: float
    among_three: float
    among_three_by_chance: float
    p_value: float


def map_elements(model: Model) -> ElementMap:
    """The embedding of the elements of a model, its components brought to one scale.

    The potential has a weight of its own for every component, so a component may be multiplied by any number without
    changing what the model says: only after division by its spread do distances mean anything.

    Raises:
        InputError: the model knows fewer than four elements.
    """
    symbols = tuple(sorted(model.card.elements, key=ATOMIC_NUMBERS.__getitem__))
    if len(symbols) < 4:
        reason = f"it knows {len(symbols)} elements, and a map needs four"
        raise InputError("too_few_elements", "model", model.card.name, reason, "Use a model of many elements.")
    rows = [model.card.potential.elements.index(ATOMIC_NUMBERS[symbol]) for symbol in symbols]
    has_receiver = model.card.potential.separate_receiver_embedding
    parts = (model.potential.sender, model.potential.receiver) if has_receiver else (model.potential.sender,)
    embedding = np.concatenate([part.detach().double().cpu().numpy()[rows] for part in parts], axis=1)
    vectors = (embedding - embedding.mean(axis=0)) / embedding.std(axis=0).clip(1e-12)
    _, singular, axes = np.linalg.svd(vectors, full_matrices=False)
    axes = axes[:2] * np.sign(axes[np.arange(2), np.abs(axes[:2]).argmax(axis=1)])[:, None]
    share = singular**2 / (singular**2).sum()
    return ElementMap(
        symbols=symbols,
        groups=tuple(find_group(symbol) for symbol in symbols),
        vectors=vectors,
        plane=vectors @ axes.T,
        explained=(float(share[0]), float(share[1])),
        has_receiver=has_receiver,
    )


def find_group(symbol: str) -> str:
    """The group of an element: ``1`` to ``18``, ``lanthanide`` (La to Lu) or ``actinide`` (Ac to Lr)."""
    number = ATOMIC_NUMBERS[symbol]
    if symbol == "He":
        return "18"
    for name, first in ((LANTHANIDE, 57), (ACTINIDE, 89)):
        if first <= number <= first + 14:
            return name
    period = next(row for row, start in enumerate(PERIOD_STARTS[1:]) if number < start)
    column = number - PERIOD_STARTS[period] + 1
    length = PERIOD_STARTS[period + 1] - PERIOD_STARTS[period]
    return str(column if column <= 2 or (length == 18 and column <= 12) else column + 18 - length)


def measure_kinship(
    points: Values, groups: Sequence[str], *, seed: int = 0, n_permutations: int = N_PERMUTATIONS
) -> Kinship:
    """How well neighbourhood agrees with the groups.

    Args:
        points: (n_elements, n_components) where the elements are; distances are Euclidean.
        groups: their groups (n_elements).
        seed: of the permutations.
        n_permutations: of the groups, for the p-value.
    """
    labels = np.unique(np.array(groups), return_inverse=True)[1]
    distances = np.linalg.norm(points[:, None] - points, axis=2)
    np.fill_diagonal(distances, np.inf)
    nearest = np.argsort(distances, axis=1, kind="stable")[:, :3]
    n_others = len(labels) - 1
    n_kin = np.bincount(labels)[labels] - 1
    can_be = n_kin > 0
    n_elements = int(can_be.sum())

    def count(permuted: NDArray[np.int64], depth: int) -> int:
        return int((permuted[nearest[:, :depth]] == permuted[:, None]).any(axis=1).sum())

    rng = np.random.default_rng(seed)
    observed = count(labels, 1)
    n_as_good = sum(count(rng.permutation(labels), 1) >= observed for _ in range(n_permutations))
    misses = [comb(n_others - int(kin), 3) / comb(n_others, 3) for kin in n_kin[can_be]]
    return Kinship(
        n_elements=n_elements,
        nearest=observed / n_elements,
        nearest_by_chance=float((n_kin[can_be] / n_others).mean()),
        among_three=count(labels, 3) / n_elements,
        among_three_by_chance=1 - float(np.mean(misses)),
        p_value=(1 + n_as_good) / (1 + n_permutations),
    )


def is_in_f_block(group: str) -> bool:
    """Whether a group of :func:`find_group` is that of the lanthanides or actinides, which are many and alike."""
    return group in (LANTHANIDE, ACTINIDE)
