"""Many structures as one file, piece by piece: what is in memory at a time is a page of them.

Every writer takes pages of structures with their atoms and gives the file in pieces, at least one for each page, which
may be empty.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, Literal
from zipfile import ZIP_DEFLATED, ZipFile

from rm_engine.files import from_json, write_pymatgen
from service.api.exports import append_to_database, write_text
from service.api.schemas import StructureItem
from service.domain.views import StructureView

ArchiveFormat = Literal["extxyz", "jsonl", "zip", "ase-db"]
Pages = Iterable[list[StructureView]]
Pieces = Generator[bytes, None, None]

_PIECE_BYTES: Final = 256 * 1024


@dataclass(frozen=True)
class Archive:
    """How a format is written, and what it is called."""

    write: Callable[[Pages], Pieces]
    media_type: str
    ending: str


def _write_extxyz(pages: Pages) -> Pieces:
    for page in pages:
        yield "".join(write_text(view, "extxyz") for view in page).encode()


def _write_lines(pages: Pages) -> Pieces:
    for page in pages:
        yield "".join(f"{json.dumps(_describe(view))}\n" for view in page).encode()


def _describe(view: StructureView) -> dict[str, object]:
    """The structure as lists show it, and its atoms for pymatgen."""
    return {**StructureItem.of(view).model_dump(mode="json"), "structure": write_pymatgen(from_json(view.atoms or {}))}


def _write_zip(pages: Pages) -> Pieces:
    """A file for each structure: CIF, or SDF where it is a molecule."""
    outbox = _Outbox()
    with ZipFile(outbox, "w", ZIP_DEFLATED) as archive:  # type: ignore[call-overload]  # it asks for no more than that
        for page in pages:
            for view in page:
                format_: Literal["sdf", "cif"] = "sdf" if view.is_molecule else "cif"
                archive.writestr(f"{view.id}.{format_}", write_text(view, format_))
            yield outbox.empty()
    yield outbox.empty()


class _Outbox:
    """A file that is not sought in, only written to, and emptied now and then."""

    def __init__(self) -> None:
        self._content = bytearray()

    def write(self, data: bytes) -> int:
        """Add to what is there."""
        self._content += data
        return len(data)

    def flush(self) -> None:
        """Nothing waits."""

    def empty(self) -> bytes:
        """What was written since the last time."""
        content = bytes(self._content)
        self._content.clear()
        return content


def _write_ase_db(pages: Pages) -> Pieces:
    """SQLite goes back and forth in its file, so that there is nothing to send before it is whole."""
    with TemporaryDirectory(prefix="rmatch-export-") as folder:
        path = Path(folder, "structures.db")
        for page in pages:
            append_to_database(path, page)
            yield b""
        with path.open("rb") as file:
            while piece := file.read(_PIECE_BYTES):
                yield piece


ARCHIVES: Final[dict[ArchiveFormat, Archive]] = {
    "extxyz": Archive(_write_extxyz, "chemical/x-xyz", "extxyz"),
    "jsonl": Archive(_write_lines, "application/jsonl", "jsonl"),
    "zip": Archive(_write_zip, "application/zip", "zip"),
    "ase-db": Archive(_write_ase_db, "application/vnd.sqlite3", "db"),
}
