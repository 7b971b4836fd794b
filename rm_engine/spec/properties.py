"""Properties that are estimated from a structure, and that a run can aim at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from rm_engine.errors import InputError

PropertyName = Literal["band_gap", "formation_energy"]
PropertyRanges = Mapping[PropertyName, tuple[float, float]]
"""(lowest, highest) value wanted of each property."""

SHIPPED_HEADS: Final = Path(__file__).resolve().parent.parent / "heads"
"""Directory of the potentials that estimate properties, each a checkpoint: its energy is the property times atoms."""

_FIELD: Final = "target"


@dataclass(frozen=True)
class Property:
    """A property of crystals.

    Attributes:
        unit: its unit.
        lowest: least value that may be asked for.
        highest: greatest.
        is_head: whether a head estimates it for every model; else a model's own second potential does.
    """

    unit: str
    lowest: float
    highest: float
    is_head: bool


PROPERTIES: Final[Mapping[PropertyName, Property]] = {
    "band_gap": Property("eV", 0.0, 20.0, is_head=True),
    "formation_energy": Property("eV/atom", -10.0, 10.0, is_head=False),
}


def check_target(target: PropertyRanges) -> None:
    """Refuse what is no range of a property.

    Raises:
        InputError: an unknown property, or a range that is empty or out of bounds.
    """
    for name, wanted in target.items():
        known = PROPERTIES.get(name)
        if known is None:
            way = f"Use one of {', '.join(PROPERTIES)}."
            raise InputError("invalid_value", _FIELD, name, "there is no estimate of such a property", way)
        low, high = wanted
        if not known.lowest <= low <= high <= known.highest:
            reason = f"{name} lies between {known.lowest:g} and {known.highest:g} {known.unit}, the lowest value first"
            raise InputError("out_of_range", _FIELD, wanted, reason, "Give [lowest, highest].")
