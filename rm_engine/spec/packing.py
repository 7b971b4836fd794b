"""A model in one file, as it is uploaded, downloaded and stored: safetensors, with the card among the metadata.

The format is a length (8 bytes, little-endian), a JSON header of that length, and the numbers. It is read here without
torch, and believed in nothing: what passes :func:`unpack_card` is what the card says, whole and finite.
"""

from __future__ import annotations

import json
import math
import struct
from itertools import pairwise
from typing import Any, Final

from rm_engine.errors import CheckpointError
from rm_engine.spec.card import ModelCard, PotentialConfig
from rm_engine.spec.fingerprint import hash_model

FORMATION: Final = "formation/"
"""Prefix of the weights of the potential that estimates formation energies."""

_METADATA: Final = "__metadata__"
_CARD: Final = "card"
_LONGEST_HEADER: Final = 1_000_000


def shapes_of(card: ModelCard) -> dict[str, tuple[int, ...]]:
    """Names and shapes of all weights of a model."""
    shapes = _shapes_of(card.potential)
    if card.formation is not None:
        shapes |= {FORMATION + name: shape for name, shape in _shapes_of(card.formation).items()}
    return shapes


def pack_model(card: str, weights: bytes) -> bytes:
    """Put the JSON text of a card into a safetensors file.

    Raises:
        CheckpointError: the weights are no safetensors file.
    """
    header, numbers = _split(weights)
    text = json.dumps(header | {_METADATA: {_CARD: card}}, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # the numbers begin at a multiple of eight bytes
    return len(text).to_bytes(8, "little") + text + numbers


def unpack_card(content: bytes) -> ModelCard:
    """The card in a model's file, of which everything is checked.

    Raises:
        CheckpointError: it is no safetensors file, has no card, or weights are missing, misshapen or not finite.
    """
    header, numbers = _split(content)
    metadata = header.pop(_METADATA, None)
    text = metadata.get(_CARD) if isinstance(metadata, dict) else None
    if not isinstance(text, str):
        raise CheckpointError("The file has no card among its metadata. Download models as files of this kind.")
    card = ModelCard.from_json(text)
    wanted = shapes_of(card)
    if header.keys() != wanted.keys():
        wrong = ", ".join(sorted(header.keys() ^ wanted.keys()))
        raise CheckpointError(f"The weights do not fit the card: {wrong[:80]} missing or too many.")
    spans = sorted(_span(name, header[name], shape) for name, shape in wanted.items())
    if [0, *(end for _, end in spans)] != [*(start for start, _ in spans), len(numbers)]:
        raise CheckpointError("The weights overlap, leave gaps, or do not end with the file.")
    if not all(math.isfinite(number) for (number,) in struct.iter_unpack("<f", numbers)):
        raise CheckpointError("The weights hold what is no finite number.")
    return card


def fingerprint_content(content: bytes) -> str:
    """Short hash of a model's file, see :func:`rm_engine.spec.read_fingerprint`.

    Raises:
        CheckpointError: as :func:`unpack_card`, of which the file has passed the first steps at least.
    """
    header, numbers = _split(content)
    return hash_model(json.loads(header[_METADATA][_CARD]), numbers)


def _split(content: bytes) -> tuple[dict[str, Any], bytes]:
    """Header and numbers of a safetensors file."""
    end = 8 + int.from_bytes(content[:8], "little")
    try:
        header = json.loads(content[8:end]) if end <= min(_LONGEST_HEADER, len(content)) else None
    except (ValueError, RecursionError):
        header = None
    if not isinstance(header, dict):
        raise CheckpointError("This is not a safetensors file: it does not begin with a header.")
    return header, content[end:]


def _span(name: str, entry: Any, shape: tuple[int, ...]) -> tuple[int, int]:  # noqa: ANN401  whatever stands there
    """First byte of a tensor and the one past its last."""
    try:
        start, end = entry["data_offsets"]
        fits = (entry["dtype"], tuple(entry["shape"]), end - start) == ("F32", shape, 4 * math.prod(shape))
    except (KeyError, TypeError, ValueError):
        fits = False
    if not fits or not isinstance(start, int) or not isinstance(end, int):
        raise CheckpointError(f"The weights do not fit the card: {name} is not {shape} numbers in single precision.")
    return start, end


def _shapes_of(config: PotentialConfig) -> dict[str, tuple[int, ...]]:
    n_species, n, n_channels = len(config.elements), config.n_embedding, config.n_radial_channels
    n_invariants = (1 + config.l_max) + (4 if config.nu_max == 3 else 0)
    n_features = n_channels * n_invariants * n * n
    shapes: dict[str, tuple[int, ...]] = {"sender": (n_species, n), "radial.frequencies": (config.n_radial_functions,)}
    if config.separate_receiver_embedding:
        shapes["receiver"] = (n_species, n)
    for degree in range(config.l_max + 1):
        shapes[f"radial_mixing.{degree}"] = (config.n_radial_functions, n_channels, n * n)
    layers = [(f"mlp.{2 * k}", *widths) for k, widths in enumerate(pairwise((n_features, *config.readout_hidden, 1)))]
    for layer, n_in, n_out in [*layers, ("linear", n_features, 1)]:
        shapes[f"readout.{layer}.weight"], shapes[f"readout.{layer}.bias"] = (n_out, n_in), (n_out,)
    return shapes
