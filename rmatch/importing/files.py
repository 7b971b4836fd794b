"""Structures of files and folders."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import islice
from pathlib import Path
from typing import Final

from rm_engine.files import Entry, FileLimits, scan_structures, to_json
from rmatch.importing.source import NamedAtoms, Page

_PAGE_SIZE: Final = 200


@dataclass(frozen=True)
class FileSource:
    """A file or folder; its cursor is the number of entries before."""

    path: Path
    selection: str = ""

    @property
    def label(self) -> str:
        """The name alone: where it lies is nobody's business."""
        return self.path.resolve().name

    @property
    def location(self) -> str:
        """The whole path."""
        return str(self.path.resolve())

    @cached_property
    def version(self) -> str:
        """Size and time of the last change; of a folder, of what is in it but not of the files themselves."""
        found = self.path.stat()
        return f"{found.st_size}-{found.st_mtime_ns}"

    def read(self, cursor: str) -> Generator[Page]:
        """The pages after a cursor; what is before it is passed over without parsing it.

        Raises:
            FileFormatError: see :func:`rm_engine.files.scan_structures`.
            OSError: the file cannot be opened.
        """
        n_before = int(cursor or 0)
        with closing(scan_structures(self.path, FileLimits())) as scanned:
            entries = islice(scanned, n_before, None)
            while found := list(islice(entries, _PAGE_SIZE)):
                n_before += len(found)
                yield Page.collect((partial(_read, entry) for entry in found), cursor=str(n_before))


def _read(entry: Entry) -> list[NamedAtoms]:
    return [(structure.name, to_json(structure.atoms)) for structure in entry()]
