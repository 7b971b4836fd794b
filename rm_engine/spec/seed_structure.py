"""The structure around which a run places its atoms: a substrate, a framework, a nucleus."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from rm_engine.errors import InputError
from rm_engine.spec.cell import Cell
from rm_engine.spec.formula import Formula
from rm_engine.spec.limits import MAX_ATOMS
from rm_engine.units import SYMBOLS

_FIELD = "seed_structure"


@dataclass(frozen=True)
class SeedStructure:
    """Atoms that are there before the search adds others, in the cell that all of them keep.

    Attributes:
        numbers: atomic numbers.
        positions: Cartesian, Å.
        cell: rows are vectors, Å; where nothing repeats, the box into which atoms are added.
        periodic: which cell vectors repeat.

    Raises:
        InputError: on construction, for what is no such structure.
    """

    numbers: tuple[int, ...]
    positions: tuple[tuple[float, float, float], ...]
    cell: Cell
    periodic: tuple[bool, bool, bool]

    def __post_init__(self) -> None:
        if not 1 <= len(self.numbers) < MAX_ATOMS or not all(0 < number < len(SYMBOLS) for number in self.numbers):
            reason, way = "there are too few atoms or too many, or a number is no element's", "Give 1 to 199 atoms."
            raise InputError("out_of_range", _FIELD, self.numbers, reason, way)
        if len(self.positions) != len(self.numbers):
            reason = f"{len(self.numbers)} atoms have {len(self.positions)} positions"
            raise InputError("conflicting_fields", _FIELD, len(self.positions), reason, "Give a position for each.")
        if not all(math.isfinite(value) for position in self.positions for value in position):
            raise InputError("out_of_range", _FIELD, None, "a coordinate is not finite", "Give finite coordinates, Å.")

    @property
    def formula(self) -> Formula:
        """Of all its atoms."""
        return Formula(tuple(Counter(SYMBOLS[number] for number in self.numbers).items()))

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """The structure in the plain form of :func:`rm_engine.files.to_json`."""
        rows: Any = {name: tuple(map(tuple, data[name])) for name in ("positions", "cell")}
        flat: Any = {name: tuple(data[name]) for name in ("numbers", "periodic")}
        return cls(**rows, **flat)
