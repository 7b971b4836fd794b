"""Results kept one by one in a file of JSON lines, so that a campaign that was killed goes on where it stopped."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any


class Journal:
    """Results under what they depend on; a result is found again only if all of that is the same.

    A line that was cut off by a kill is removed when the file is opened.

    Args:
        path: file of JSON lines, created with its folder when the first result is kept; None keeps nothing.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._results: dict[str, dict[str, Any]] = {}
        if path is not None and path.exists():
            self._read(path)

    def find(self, identity: Mapping[str, Any]) -> dict[str, Any] | None:
        """The result kept under ``identity``, or None."""
        return self._results.get(_key_of(identity))

    def keep(self, identity: Mapping[str, Any], result: dict[str, Any]) -> None:
        """Write a result down at once."""
        self._results[_key_of(identity)] = result
        if self._path is not None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.open("a", encoding="utf-8") as stream:
                stream.write(json.dumps({"identity": dict(identity), "result": result}, ensure_ascii=False) + "\n")

    def _read(self, path: Path) -> None:
        content = path.read_bytes()
        whole = content[: content.rfind(b"\n") + 1]
        if len(whole) < len(content):
            with path.open("r+b") as stream:
                stream.truncate(len(whole))
        for line in whole.splitlines():
            entry = json.loads(line)
            self._results[_key_of(entry["identity"])] = entry["result"]


def _key_of(identity: Mapping[str, Any]) -> str:
    return json.dumps(identity, sort_keys=True)
