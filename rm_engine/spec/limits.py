"""Limits on everything a client controls."""

from __future__ import annotations

from typing import Final

MAX_FORMULA_LENGTH: Final = 200
MAX_ELEMENTS: Final = 8
MAX_ATOMS: Final = 200
MAX_SAMPLES: Final = 10_000
MAX_STEPS: Final = 10_000
MAX_SWAPS: Final = 100
MAX_HOPS: Final = 100
MAX_GENERATIONS: Final = 20
MAX_TRAINING_STRUCTURES: Final = 1000
MAX_TRAINING_ATOMS: Final = 20_000
MAX_EPOCHS: Final = 200
MAX_OPINIONS: Final = 1000
MAX_PRESSURE: Final = 0.3
"""Pseudo units per Å³; it makes crystals 1.5 to 2.6 times as dense, and at three times as much they collapse."""

MAX_SEED: Final = 2**53 - 1
"""The largest integer that JSON readers agree on."""

DEFAULT_MAX_ATOMS: Final = 20
"""Unless the caller says otherwise, cells are kept at or below this size, that of the training structures."""
