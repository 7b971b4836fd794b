"""A model of one's own: what it is made from, in the few words of whoever asks for it."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, Final, Literal, Self

from rm_engine.errors import InputError
from rm_engine.spec.card import ModelCard
from rm_engine.spec.checks import check_range
from rm_engine.spec.limits import MAX_EPOCHS, MAX_SEED, MAX_TRAINING_ATOMS, MAX_TRAINING_STRUCTURES

MODEL_NAME: Final = r"^[a-z0-9][a-z0-9_-]{0,39}$"
DEFAULT_EPOCHS: Final = 60
VISITS: Final = 64
"""Fewer structures are visited several times in what counts as an epoch, so that an epoch is of so many visits."""
SMALLEST_CELL: Final = 64
"""Atoms to which a crystal is repeated at least before it is shaken: in half of it images move along too often."""
_STEPS_A_VISIT: Final = 5
"""Relaxation steps that learning from an atom once costs as much as, about."""


@dataclass(frozen=True, kw_only=True)
class ModelSpec:
    """A training of a model from a user's structures.

    Attributes:
        name: of the model that comes out: lower case letters, digits, ``-`` and ``_``, 40 at most.
        n_structures: structures to learn from.
        n_atoms: atoms of all of them.
        base: name of a model whose weights the training begins with (fine-tuning); None begins with random weights.
        n_epochs: visits of every structure, of a few structures times :attr:`repeats`.
        seed: of weights, order and noise.

    Raises:
        InputError: on construction, for any field out of its bounds.
    """

    name: str
    n_structures: int
    n_atoms: int
    base: str | None = None
    n_epochs: int = DEFAULT_EPOCHS
    seed: int = 0

    def __post_init__(self) -> None:
        check_name(self.name)
        hint = f"Give 1 to {MAX_TRAINING_STRUCTURES:,} structures."
        check_range("structures", self.n_structures, 1, MAX_TRAINING_STRUCTURES, hint)
        hint = f"Give structures of {MAX_TRAINING_ATOMS:,} atoms in all at most."
        check_range("structures", self.n_atoms, self.n_structures, MAX_TRAINING_ATOMS, hint)
        check_range("epochs", self.n_epochs, 1, MAX_EPOCHS, f"Give 1 to {MAX_EPOCHS:,} epochs.")
        check_range("seed", self.seed, 0, MAX_SEED, f"Give a whole number from 0 to {MAX_SEED}.")

    @property
    def n(self) -> int:
        """What its progress counts: epochs."""
        return self.n_epochs

    @property
    def repeats(self) -> int:
        """How many times an epoch visits each structure."""
        return math.ceil(VISITS / self.n_structures)

    @property
    def atom_steps(self) -> int:
        """The work that the training is, in atoms times relaxation steps of a search that takes as long."""
        most_atoms = 2 * max(self.n_atoms, SMALLEST_CELL * self.n_structures)  # cells are doubled until large enough
        return most_atoms * self.repeats * self.n_epochs * _STEPS_A_VISIT

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON; :meth:`from_json` is the inverse."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """The training stored by :meth:`to_json`."""
        known = {field.name for field in fields(cls)}
        return cls(**{name: value for name, value in data.items() if name in known})


def is_name(name: str) -> bool:
    """Whether a model can be called so."""
    return re.fullmatch(MODEL_NAME, name) is not None


def check_name(name: str) -> None:
    """Raise :class:`InputError` where this is no name for a model."""
    if not is_name(name):
        hint = "Use lower case letters, digits, - and _, 40 at most; begin with a letter or digit."
        raise InputError("invalid_name", "name", name, "this is no name for a model", hint)


def find_boundary(periodic: Iterable[Sequence[bool]]) -> Literal["crystal", "molecule"]:
    """What structures of this periodicity are: all crystals, or all molecules.

    Raises:
        InputError: some of both, or partly periodic ones.
    """
    found = {(all(each), any(each)) for each in periodic}
    if found == {(True, True)}:
        return "crystal"
    if found == {(False, False)}:
        return "molecule"
    reason = "crystals and molecules are shaken by different noise, and layers and rods by none"
    raise InputError("mixed_structures", "structures", "structures", reason, "Give crystals, or give molecules.")


def check_base(card: ModelCard, elements: Collection[int], boundary: str) -> None:
    """Raise :class:`InputError` where a training on these elements cannot begin with a model."""
    hint = "Take another base, or the recipe new, which begins with random weights."
    if card.boundary != boundary:
        reason = f"it has learned {card.boundary}s, and the structures are {boundary}s"
        raise InputError("unsuitable_base", "base", card.name, reason, hint)
    if not set(elements) <= set(card.potential.elements):
        raise InputError("unsuitable_base", "base", card.name, "it has no embedding of some of the elements", hint)
