"""A second opinion: structures that a potential of others relaxes and ranks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal, Self

from rm_engine.spec.checks import check_range
from rm_engine.spec.limits import MAX_OPINIONS, MAX_STEPS

PotentialName = Literal["chgnet"]
DEFAULT_OPINION_STEPS: Final = 200
_STEPS_A_STEP: Final = 3000
"""Relaxation steps of our own that one of CHGNet costs as much as, about."""


@dataclass(frozen=True, kw_only=True)
class OpinionSpec:
    """A job that asks another potential about structures that were found.

    Attributes:
        potential: whom.
        n_structures: about how many of them.
        n_atoms: atoms of all of them.
        model: that made them; empty where it is several.
        chemsys: their chemical system; empty where it is several.
        max_steps: most relaxation steps for each.

    Raises:
        InputError: on construction, for any field out of its bounds.
    """

    potential: PotentialName = "chgnet"
    n_structures: int
    n_atoms: int
    model: str = ""
    chemsys: str = ""
    max_steps: int = DEFAULT_OPINION_STEPS

    def __post_init__(self) -> None:
        hint = f"Give 1 to {MAX_OPINIONS:,} structures."
        check_range("structure_ids", self.n_structures, 1, MAX_OPINIONS, hint)
        check_range("max_steps", self.max_steps, 1, MAX_STEPS, f"Give 1 to {MAX_STEPS:,} steps.")

    @property
    def n(self) -> int:
        """What its progress counts: structures."""
        return self.n_structures

    @property
    def atom_steps(self) -> int:
        """The work that it is at most, in atoms times relaxation steps of a search that takes as long."""
        return self.n_atoms * self.max_steps * _STEPS_A_STEP

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON; :meth:`from_json` is the inverse."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """The job stored by :meth:`to_json`."""
        return cls(**data)
