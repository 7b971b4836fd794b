"""Where the starts of a search come from, and in which shares."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, fields
from typing import Final, Literal, get_args

from rm_engine.errors import InputError

StartKind = Literal["references", "wyckoff", "random"]
START_KINDS: Final[tuple[StartKind, ...]] = get_args(StartKind)
"""From the most to the least informed; where one kind has nothing to offer, the next one steps in."""


@dataclass(frozen=True, kw_only=True)
class StartMix:
    """Shares of the kinds of start; only their ratios count.

    Attributes:
        references: elements put into known structures of the same stoichiometry pattern.
        wyckoff: atoms on the Wyckoff positions that crystals of this pattern use, free parameters random.
        random: atoms anywhere in a cell of random shape.

    Raises:
        InputError: a share is negative or no number, or all are zero.
    """

    references: float = 0.0
    wyckoff: float = 0.0
    random: float = 0.0

    def __post_init__(self) -> None:
        for field in fields(self):
            share = getattr(self, field.name)
            if not (math.isfinite(share) and share >= 0):
                raise InputError(
                    "out_of_range", f"starts.{field.name}", share, "it is no share", "Give zero or a positive number."
                )
        if not any(asdict(self).values()):
            raise InputError("out_of_range", "starts", asdict(self), "all shares are zero", "Give at least one share.")

    def kinds(self, n: int) -> list[StartKind]:
        """The kinds of the first n starts of one formula, the shares kept as well as whole numbers can at any n."""
        shares = asdict(self)
        total = sum(shares.values())
        given: dict[StartKind, int] = dict.fromkeys(START_KINDS, 0)
        order: list[StartKind] = []
        for k in range(n):
            kind = max(START_KINDS, key=lambda kind: shares[kind] / total * (k + 1) - given[kind])
            given[kind] += 1
            order.append(kind)
        return order


USUAL_MIX: Final = StartMix(references=5, wyckoff=4, random=1)
"""For crystals whose cell the search chooses."""
RANDOM_ONLY: Final = StartMix(random=1)
"""For everything else."""
