"""Reading structures from files and from text."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from rm_engine.errors import FileFormatError
from rm_engine.files.cif import parse_cif, read_csv
from rm_engine.files.extxyz import read_extxyz
from rm_engine.files.poscar import parse_poscar
from rm_engine.files.stored import FileLimits, StoredStructure

if TYPE_CHECKING:
    from ase import Atoms

Format = Literal["cif", "poscar", "extxyz"]
FORMATS: Final[tuple[Format, ...]] = ("cif", "poscar", "extxyz")

_ANY: Final = FileLimits()
_LONGEST_LINE: Final = 2**20


def read_structures(path: Path | str, limits: FileLimits = _ANY) -> Iterator[StoredStructure]:
    """The structures of a file or folder, one after the other, in little memory.

    Args:
        path: extended XYZ (``.extxyz``, ``.xyz``), CIF (``.cif``), POSCAR (``POSCAR*``, ``CONTCAR*``, ``.vasp``)
            or CSV with a column ``cif`` (``.csv``), each also with ``.gz`` after it; or a folder of CIF files.
        limits: bounds on the file, for a folder on each of its files.

    Raises:
        FileFormatError: unknown kind of file, or one that does not parse or is over a limit, with the line where known.
        OSError: the file cannot be opened.
    """
    path = Path(path)
    if path.is_dir():
        for file in sorted((*path.glob("*.cif"), *path.glob("*.cif.gz"))):
            yield from read_structures(file, limits)
        return
    lines = _read_lines(path, limits)
    suffixes = path.name.lower().removesuffix(".gz")
    if suffixes.endswith((".extxyz", ".xyz")):
        yield from read_extxyz(lines, path.name, limits)
    elif suffixes.endswith(".csv"):
        yield from read_csv(lines, path.name, limits)
    else:
        format_ = _find_format(suffixes, path.name)
        frames = parse_structures("".join(lines), format_, path.name, limits)
        for number, atoms in enumerate(frames, start=1):
            yield StoredStructure(_name_of(path, number, len(frames)), atoms, {})


def parse_structures(text: str, format_: Format, name: str = "text", limits: FileLimits = _ANY) -> list[Atoms]:
    """The structures of a text.

    Args:
        text: content of a file.
        format_: ``cif``, ``poscar`` or ``extxyz``.
        name: what to call the text in an error.
        limits: bounds on the text.

    Raises:
        FileFormatError: the text does not parse or is over a limit, with the line where it is known.
    """
    if len(text) > limits.max_bytes:
        raise FileFormatError(name, f"longer than {limits.max_bytes} bytes")
    if format_ == "extxyz":
        return [structure.atoms for structure in read_extxyz(text.splitlines(), name, limits)]
    if format_ == "poscar":
        return [parse_poscar(text, name, limits)]
    return parse_cif(text, name, limits)


def _find_format(lower_name: str, name: str) -> Format:
    if lower_name.endswith(".cif"):
        return "cif"
    if lower_name.startswith(("poscar", "contcar")) or lower_name.endswith(".vasp"):
        return "poscar"
    raise FileFormatError(name, "unknown kind of file; known are .extxyz, .cif, POSCAR and .csv, also with .gz")


def _name_of(path: Path, number: int, n_frames: int) -> str:
    stem = path.name.removesuffix(".gz").removesuffix(".cif")
    return stem if n_frames == 1 else f"{stem}#{number}"


def _read_lines(path: Path, limits: FileLimits) -> Iterator[str]:
    """The lines of a file, decompressed as they are read: neither a long line nor a small archive fills the memory."""
    n_read, line = 0, 0
    opener = gzip.open if path.suffix == ".gz" else open
    try:
        with opener(path, "rt", encoding="utf-8") as stream:
            while text := stream.readline(_LONGEST_LINE):
                n_read, line = n_read + len(text), line + 1
                if n_read > limits.max_bytes:
                    raise FileFormatError(path.name, f"longer than {limits.max_bytes} bytes", line)
                yield text
    except (UnicodeDecodeError, gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise FileFormatError(path.name, f"not a text file in UTF-8 ({error})", line + 1) from error
