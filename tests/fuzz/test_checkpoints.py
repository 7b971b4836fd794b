"""Models are files, and files are broken: every one loads as what it is, or is refused as a checkpoint."""

from __future__ import annotations

import json
import math
import resource
from collections import Counter
from pathlib import Path
from random import Random
from typing import Any

import pytest
import torch

from rm_engine.checkpoint import load_model
from rm_engine.errors import CheckpointError
from rm_engine.spec.card import SHIPPED_MODELS

WEIGHTS = (SHIPPED_MODELS / "diamond.safetensors").read_bytes()
CARD = (SHIPPED_MODELS / "diamond.json").read_text(encoding="utf-8")
ODD_VALUES: list[Any] = [
    None, True, -1, 0, 1, 7, 10**9, 2**63, 10**30, 1.5, math.nan, math.inf, "", "x", [], [1] * 1000, [[1]], {},
    {"x": 1}, [10**12], ["1"], [-1], "nan",
]  # fmt: skip
ODD_ENTRIES: dict[str, list[Any]] = {
    "shape": [[2**40], [2**62, 4], [0], [-1], [1.5], "x", None, [1] * 500, []],
    "data_offsets": [[0, 2**62], [8, 4], [-8, 8], [0], [0, 24], "x", None, [1, 2, 3]],
    "dtype": ["F64", "F16", "BF16", "I64", "U8", "BOOL", "F8_E4M3", "C64", "X", 5],
}
NOT_FINITE = (b"\0\0\xc0\x7f", b"\0\0\x80\x7f", b"\0\0\x80\xff")


def read_header() -> tuple[dict[str, Any], bytes]:
    length = int.from_bytes(WEIGHTS[:8], "little")
    return json.loads(WEIGHTS[8 : 8 + length]), WEIGHTS[8 + length :]


def write_weights(header: Any, data: bytes, length: int | None = None) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return (len(text) if length is None else length).to_bytes(8, "little") + text + data


def mutate_bytes(random: Random) -> bytes:
    """The file with its length, its end or some of its bytes wrong."""
    header, data = read_header()
    kind = random.randrange(5)
    if kind == 0:
        return WEIGHTS[: random.randrange(len(WEIGHTS))]
    if kind == 1:
        return write_weights(header, data, random.choice((0, 1, 2**31, 2**63, 2**64 - 1, len(WEIGHTS) * 2)))
    if kind == 2:
        return write_weights(
            random.choice((b"[" * 50_000, b'{"a":' * 50_000, b"", b"\xff" * 100, b"{}", b"null")), data
        )
    if kind == 3:
        return WEIGHTS + bytes(random.randrange(1, 1000))
    changed = bytearray(WEIGHTS)
    for _ in range(random.randrange(1, 30)):
        changed[random.randrange(len(changed) if random.random() < 0.3 else 2000)] = random.randrange(256)
    return bytes(changed)


def mutate_weights(random: Random) -> bytes:
    """The file with an entry of its header, or a number, wrong."""
    if random.random() < 0.4:
        return mutate_bytes(random)
    header, data = read_header()
    name = random.choice(sorted(set(header) - {"__metadata__"}))
    what = random.choice(("number", "name", "entry", "metadata", *ODD_ENTRIES))
    if what in ODD_ENTRIES:
        header[name][what] = random.choice(ODD_ENTRIES[what])
    elif what == "number":
        start = 4 * random.randrange(len(data) // 4)
        data = data[:start] + random.choice(NOT_FINITE) + data[start + 4 :]
    elif what == "name":
        header[random.choice(("other", "", "a" * 10_000, "../x", "\0"))] = header.pop(name)
    else:
        header[name if what == "entry" else "__metadata__"] = random.choice(ODD_VALUES)
    return write_weights(header, data)


def mutate_card(random: Random) -> str:
    kind = random.randrange(6)
    if kind == 0:
        return CARD[: random.randrange(len(CARD))]
    if kind == 1:
        return random.choice(("[" * 100_000, '{"format_version":' * 50_000, "9" * 10_000, "", "null", "[1]", '"x"'))
    if kind == 2:
        k = random.randrange(len(CARD))
        return CARD[:k] + random.choice(('"', "{", "]", ",", "\0", "1e999", "\ud7ff", ":")) + CARD[k + 1 :]
    data = json.loads(CARD)
    where = random.choice((data, data["potential"], data["potential"], data["volumes"], data["reference_energies"]))
    field = random.choice(sorted(where))
    if kind == 3:
        del where[field]
    else:
        where[field if kind == 4 else random.choice((field, "Xx", "other"))] = random.choice(ODD_VALUES)
    return json.dumps(data)


def load(path: Path) -> str:
    """What becomes of a checkpoint; whatever is loaded can be worked with."""
    try:
        model = load_model(path, device="cpu")
    except CheckpointError as error:
        assert len(str(error)) < 1000, "a refusal is a message"  # noqa: PT017
        return "refused"
    assert all(torch.isfinite(parameter).all() for parameter in model.potential.parameters())
    return "loaded"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "diamond.safetensors").write_bytes(WEIGHTS)
    (tmp_path / "diamond.json").write_text(CARD, encoding="utf-8")
    return tmp_path


def test_500_mutated_checkpoints_are_each_loaded_or_refused(folder: Path) -> None:
    peak_before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    outcomes: Counter[str] = Counter()
    for seed in range(500):
        random = Random(seed)
        changes_weights = random.random() < 0.6
        (folder / "diamond.safetensors").write_bytes(mutate_weights(random) if changes_weights else WEIGHTS)
        card = CARD if changes_weights else mutate_card(random)
        (folder / "diamond.json").write_text(card, encoding="utf-8", errors="replace")
        outcomes[load(folder / "diamond.json")] += 1
    assert outcomes.total() == 500
    assert outcomes["refused"] > 300
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak_before < 300_000, "kilobytes, with torch's own"


@pytest.mark.parametrize("value", NOT_FINITE)
def test_weights_that_are_no_numbers_are_refused(folder: Path, value: bytes) -> None:
    header, data = read_header()
    (folder / "diamond.safetensors").write_bytes(write_weights(header, data[:-4] + value))
    with pytest.raises(CheckpointError, match="finite"):
        load_model(folder / "diamond.json")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("n_embedding", 10**9),
        ("readout_hidden", [10**9]),
        ("elements", []),
        ("cutoff", "far"),
        ("cutoff", 1e9),
        ("l_max", True),
    ],
)
def test_no_card_makes_us_ask_for_all_memory(folder: Path, field: str, value: object) -> None:
    data = json.loads(CARD)
    data["potential"][field] = value
    (folder / "diamond.json").write_text(json.dumps(data))
    with pytest.raises(CheckpointError, match=f"its {field} cannot be"):
        load_model(folder / "diamond.json")
