"""A model in one file: what goes in comes out, and what is broken is named."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from packed import pack

from rm_engine import load_model
from rm_engine.checkpoint import read_model
from rm_engine.errors import CheckpointError
from rm_engine.spec import fingerprint_content, list_models, pack_model, read_card, unpack_card
from rm_engine.spec.card import SHIPPED_MODELS
from rm_engine.spec.packing import FORMATION, shapes_of

DIAMOND = SHIPPED_MODELS / "diamond.json"
CONTENT = pack("diamond")
_LENGTH = int.from_bytes(CONTENT[:8], "little")
HEADER = json.loads(CONTENT[8 : 8 + _LENGTH])
NUMBERS = CONTENT[8 + _LENGTH :]


def assemble(header: object, numbers: bytes = NUMBERS) -> bytes:
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + numbers


@pytest.mark.parametrize("name", dict(list_models()))
def test_a_shipped_model_is_the_same_in_one_file(name: str, tmp_path: Path) -> None:
    packed = tmp_path / "packed.safetensors"
    packed.write_bytes(pack(name))
    one, two = load_model(name, device="cpu"), load_model(packed, device="cpu")
    assert one.card == two.card == unpack_card(packed.read_bytes())
    shapes = {key: tuple(value.shape) for key, value in one.potential.named_parameters()}
    if one.formation is not None:
        shapes |= {FORMATION + key: tuple(value.shape) for key, value in one.formation.named_parameters()}
    assert shapes_of(one.card) == shapes
    for mine, other in zip(one.potential.parameters(), two.potential.parameters(), strict=True):
        assert torch.equal(mine, other)


def test_the_record_of_the_training_changes_no_fingerprint_and_the_weights_do() -> None:
    card = read_card(DIAMOND)
    told = pack_model(replace(card, training={"source": "elsewhere"}).to_json(), CONTENT)
    assert fingerprint_content(told) == fingerprint_content(CONTENT)
    changed = bytearray(CONTENT)
    changed[-1] ^= 1
    renamed = pack_model(replace(card, name="other").to_json(), CONTENT)
    assert len({fingerprint_content(each) for each in (CONTENT, bytes(changed), renamed)}) == 3


def _shape(header: dict[str, object], key: str, value: object) -> dict[str, object]:
    return {**header, "sender": {**header["sender"], key: value}}  # type: ignore[dict-item]


NAN = np.full(1, np.nan, "<f4").tobytes()
BROKEN: dict[str, tuple[Callable[[], bytes], str]] = {
    "empty": (lambda: b"", "does not begin with a header"),
    "a header beyond the file": (lambda: (10**12).to_bytes(8, "little") + CONTENT[8:], "does not begin"),
    "no JSON": (lambda: b"\x08\0\0\0\0\0\0\0nonsense" + NUMBERS, "does not begin"),
    "deep JSON": (lambda: (200_000).to_bytes(8, "little") + b"[" * 200_000, "does not begin"),
    "no object": (lambda: assemble([1, 2]), "does not begin"),
    "no card": (lambda: assemble({**HEADER, "__metadata__": {}}), "no card"),
    "another's card": (lambda: pack_model(read_card(SHIPPED_MODELS / "mp20.json").to_json(), CONTENT), "do not fit"),
    "a weight too many": (lambda: assemble({**HEADER, "more": HEADER["sender"]}), "more missing or too many"),
    "another shape": (lambda: assemble(_shape(HEADER, "shape", [1, 2])), "sender is not"),
    "another type": (lambda: assemble(_shape(HEADER, "dtype", "F64")), "sender is not"),
    "offsets that are none": (lambda: assemble(_shape(HEADER, "data_offsets", "ab")), "sender is not"),
    "no entry": (lambda: assemble({**HEADER, "sender": None}), "sender is not"),
    "numbers too few": (lambda: assemble(HEADER, NUMBERS[:-4]), "end with the file"),
    "numbers too many": (lambda: assemble(HEADER, NUMBERS + NUMBERS), "end with the file"),
    "one number twice": (lambda: assemble(_shape(HEADER, "data_offsets", [4, 8])), "overlap"),
    "no finite number": (lambda: CONTENT[:-4] + NAN, "no finite number"),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_what_is_broken_is_named(kind: str) -> None:
    content, reason = BROKEN[kind]
    for read in (unpack_card, lambda broken: read_model(broken, Path("upload"))):
        with pytest.raises(CheckpointError, match=reason):
            read(content())


@given(place=st.integers(0, len(CONTENT) - 1), value=st.integers(0, 255))
def test_any_other_byte_is_read_or_refused(place: int, value: int) -> None:
    changed = CONTENT[:place] + bytes([value]) + CONTENT[place + 1 :]
    try:
        unpack_card(changed)
    except CheckpointError:
        return
    read_model(changed, Path("upload"), device="cpu")
