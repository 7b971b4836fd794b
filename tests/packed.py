"""Shipped models in one file each, as they are uploaded."""

from __future__ import annotations

from rm_engine.spec import find_model, pack_model


def pack(name: str) -> bytes:
    path = find_model(name)
    return pack_model(path.read_text(encoding="utf-8"), path.with_suffix(".safetensors").read_bytes())
