"""Telling a model from another of the same name."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

_LENGTH: Final = 12


def read_fingerprint(path: Path) -> str:
    """Short hash of a checkpoint: of its weights, and of its card without the record of the training.

    Energies of models with different fingerprints have nothing to do with each other, whatever the names. The record is
    left out because scores that are measured later change no answer of the model.

    Args:
        path: JSON half of the checkpoint, with the weights beside it.

    Raises:
        OSError: one of the two files is not there.
        ValueError: the card is no JSON.
    """
    card = json.loads(path.read_text(encoding="utf-8"))
    return hash_model(card, path.with_suffix(".safetensors").read_bytes())


def hash_model(card: Mapping[str, Any], weights: bytes) -> str:
    """The short hash of a card and of what stands for its weights."""
    told = {name: value for name, value in card.items() if name != "training" and value is not None}
    digest = hashlib.sha256(json.dumps(told, sort_keys=True).encode())
    digest.update(weights)
    return digest.hexdigest()[:_LENGTH]
