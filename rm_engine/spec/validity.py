"""Whether what stands in a model's card can be: cards are files, and files are broken, or made by somebody else."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from rm_engine.errors import CheckpointError
from rm_engine.units import ATOMIC_NUMBERS, SYMBOLS

if TYPE_CHECKING:
    from rm_engine.spec.card import ModelCard, PotentialConfig

_WHOLE: Final = {
    "n_embedding": (1, 64),
    "l_max": (2, 3),
    "nu_max": (2, 3),
    "n_radial_functions": (1, 64),
    "n_radial_channels": (1, 64),
}
_REAL: Final = {"cutoff": (0.5, 20.0), "core_contact": (0.0, 2.0), "core_strength": (0.0, 1e6)}
_MOST_LAYERS: Final = 8
_WIDEST_LAYER: Final = 4096


def check_card(card: ModelCard) -> None:
    """Raise :class:`CheckpointError` where a field is not of its kind, or beyond what any model has."""
    for config in (card.potential, card.formation):
        if config is not None:
            check_config(config)
    _require(isinstance(card.name, str) and card.name != "", "name", card.name)
    _require(isinstance(card.training, Mapping), "training", card.training)
    for name, values in (("volumes", card.volumes), ("reference_energies", card.reference_energies)):
        _require(isinstance(values, Mapping), name, values)
        for symbol, value in values.items():
            _require(symbol in ATOMIC_NUMBERS and _is_number(value, -1e6, 1e6), f"{name} of {symbol[:20]}", value)


def check_config(config: PotentialConfig) -> None:
    """Raise :class:`CheckpointError` where hyper-parameters are none, or too large for any memory."""
    for name, (least, most) in _WHOLE.items():
        value = getattr(config, name)
        _require(isinstance(value, int) and _is_number(value, least, most), name, value)
    for name, (lowest, highest) in _REAL.items():
        _require(_is_number(getattr(config, name), lowest, highest), name, getattr(config, name))
    _require(_are_integers(config.elements, len(SYMBOLS) - 1, len(SYMBOLS) - 1), "elements", config.elements)
    _require(len(set(config.elements)) == len(config.elements) > 0, "elements", config.elements)
    _require(_are_integers(config.readout_hidden, _WIDEST_LAYER, _MOST_LAYERS), "readout_hidden", config.readout_hidden)
    separate = config.separate_receiver_embedding
    _require(isinstance(separate, bool), "separate_receiver_embedding", separate)


def _is_number(value: object, least: float, most: float) -> bool:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and math.isfinite(value) and least <= value <= most  # type: ignore[arg-type, operator]


def _are_integers(values: object, most: int, longest: int) -> bool:
    """Whether this is a tuple of that many integers at most, each from 1 to ``most``."""
    if not isinstance(values, tuple) or len(values) > longest:
        return False
    return all(isinstance(value, int) and _is_number(value, 1, most) for value in values)


def _require(is_possible: bool, field: str, value: Any) -> None:  # noqa: ANN401  whatever stands there
    if not is_possible:
        raise CheckpointError(f"The card of this model is broken: its {field} cannot be {str(value)[:80]!r}.")
