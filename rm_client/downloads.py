"""Files of many structures, received piece by piece."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Final

from rm_client.calls import StructureFilters
from rm_client.errors import ClientError

_FORMATS: Final = {".extxyz": "extxyz", ".jsonl": "jsonl", ".zip": "zip", ".db": "ase-db"}


def export_structures(path: Path, filters: StructureFilters) -> dict[str, Any]:
    """The arguments of :meth:`httpx.Client.stream`: all structures that pass the filters, as the file's ending says.

    Raises:
        ClientError: no such ending is known.
    """
    if path.suffix not in _FORMATS:
        raise ClientError(f"{path.name!r} is no file of structures. Let it end with one of {', '.join(_FORMATS)}.")
    return {"method": "GET", "url": "/structures/export", "params": {**filters, "format": _FORMATS[path.suffix]}}


@contextmanager
def arriving(path: Path) -> Iterator[IO[bytes]]:
    """A file to write to, which has its name when it is whole, and is not left behind when it is not."""
    partial = path.with_name(f"{path.name}.part")
    try:
        with partial.open("wb") as file:
            yield file
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
