"""What a run aims at besides low energy, as pulls on its structures."""

from __future__ import annotations

from typing import Final

from rm_engine.checkpoint import Model, find_head
from rm_engine.relax import Pull
from rm_engine.search.result import GeneratedStructure
from rm_engine.spec import GenerationSpec, PropertyName, PropertyRanges

_STRENGTHS: Final[dict[PropertyName, tuple[float, float, float]]] = {
    "band_gap": (2.0, 1.0, 0.1),
    "formation_energy": (10.0, 0.5, 0.03),
}
"""Stiffness and reach of the pull on each property, see :class:`rm_engine.relax.Pull`, and how far inside of the range
it pulls, because a pulled structure comes to rest a little short of its goal; found by trial."""


def find_pulls(model: Model, spec: GenerationSpec) -> list[Pull]:
    """The pulls that a run's target asks for, on the surface of a model that has passed ``spec.check_against``."""
    pulls = []
    for name, (lowest, highest) in (spec.target or {}).items():
        head = find_head(model, name)
        if head is not None:
            stiffness, reach, depth = _STRENGTHS[name]
            inside = min(depth, (highest - lowest) / 4)
            pulls.append(Pull(head, lowest + inside, highest - inside, stiffness, reach))
    return pulls


def is_met(target: PropertyRanges | None, structure: GeneratedStructure) -> bool:
    """Whether the estimates for a structure lie within the ranges of a target; without a target they do."""
    values = {"band_gap": structure.band_gap, "formation_energy": structure.formation_energy_per_atom}
    found = [(values[name], low, high) for name, (low, high) in (target or {}).items()]
    return all(value is not None and low <= value <= high for value, low, high in found)
