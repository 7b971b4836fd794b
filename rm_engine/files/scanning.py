"""Going through many structures without parsing them: what reads each, so that one at fault is left out or skipped."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Final

from rm_engine.errors import FileFormatError
from rm_engine.files.cif import scan_csv
from rm_engine.files.extxyz import scan_extxyz
from rm_engine.files.reading import list_files, read_lines, read_structures
from rm_engine.files.stored import FileLimits, StoredStructure

Entry = Callable[[], list[StoredStructure]]
"""Reads what stands in one place: a structure, or those of one file of a folder."""

_SCANNERS: Final = {".extxyz": scan_extxyz, ".xyz": scan_extxyz, ".csv": scan_csv}


def scan_structures(path: Path, limits: FileLimits) -> Generator[Entry]:
    """The entries of a file or folder of :func:`read_structures`, in the same order and in little memory.

    Entries raise :class:`FileFormatError` where they do not parse; the others can be read all the same.

    Raises:
        FileFormatError: unknown kind of file, a folder without files of a known kind, or a file whose entries cannot be
            told apart.
        OSError: the file cannot be opened.
    """
    if path.is_dir():
        files = list_files(path)
        if not files:
            raise FileFormatError(path.name, "there are no CIF files in this folder")
        for file in files:
            yield partial(_read_file, file, limits)
    elif scan := _SCANNERS.get(Path(path.name.lower().removesuffix(".gz")).suffix):
        with closing(read_lines(path, limits)) as lines:
            for read in scan(lines, path.name, limits):
                yield partial(_read_one, read)
    else:
        for structure in read_structures(path, limits):
            yield partial(list, (structure,))


def _read_file(path: Path, limits: FileLimits) -> list[StoredStructure]:
    return list(read_structures(path, limits))


def _read_one(read: Callable[[], StoredStructure]) -> list[StoredStructure]:
    return [read()]
