"""Reading structures from files and from text."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, get_args

from rm_engine.errors import FileFormatError
from rm_engine.files.ase_db import parse_ase_db, read_ase_db
from rm_engine.files.cif import parse_cif, read_csv
from rm_engine.files.extxyz import read_extxyz
from rm_engine.files.molfile import read_sdf
from rm_engine.files.poscar import parse_poscar
from rm_engine.files.pymatgen_json import parse_pymatgen
from rm_engine.files.stored import FileLimits, StoredStructure

if TYPE_CHECKING:
    from ase import Atoms

Format = Literal["cif", "poscar", "extxyz", "sdf", "pymatgen", "ase-db"]
FORMATS: Final[tuple[Format, ...]] = get_args(Format)

_Lines = Callable[[Iterable[str], str, FileLimits], Iterator[StoredStructure]]
_Text = Callable[[str, str, FileLimits], "list[Atoms]"]

_OF_LINES: Final[dict[str, _Lines]] = {"extxyz": read_extxyz, "sdf": read_sdf, "csv": read_csv}
_OF_TEXT: Final[dict[str, _Text]] = {
    "cif": parse_cif,
    "poscar": parse_poscar,
    "pymatgen": parse_pymatgen,
    "ase-db": parse_ase_db,
}
_ENDINGS: Final = {
    ".extxyz": "extxyz",
    ".xyz": "extxyz",
    ".cif": "cif",
    ".vasp": "poscar",
    ".sdf": "sdf",
    ".mol": "sdf",
    ".json": "pymatgen",
    ".csv": "csv",
    ".db": "ase-db",
}

_ANY: Final = FileLimits()
_LONGEST_LINE: Final = 2**20


def read_structures(path: Path | str, limits: FileLimits = _ANY) -> Iterator[StoredStructure]:
    """The structures of a file or folder, one after the other, in little memory.

    Args:
        path: extended XYZ (``.extxyz``, ``.xyz``), CIF (``.cif``), POSCAR (``POSCAR*``, ``CONTCAR*``, ``.vasp``),
            SDF (``.sdf``, ``.mol``), JSON of pymatgen (``.json``) or CSV with a column ``cif`` (``.csv``), each also
            with ``.gz`` after it; a database of ASE (``.db``); or a folder of CIF files.
        limits: bounds on the file, for a folder on each of its files.

    Raises:
        FileFormatError: unknown kind of file, or one that does not parse or is over a limit, with the line where known.
        OSError: the file cannot be opened.
    """
    path = Path(path)
    if path.is_dir():
        for file in list_files(path):
            yield from read_structures(file, limits)
        return
    kind = _find_kind(path.name)
    if kind == "ase-db":
        yield from read_ase_db(path, limits)
        return
    with closing(read_lines(path, limits)) as lines:
        if kind in _OF_LINES:
            yield from _OF_LINES[kind](lines, path.name, limits)
            return
        text = "".join(lines)
    frames = _OF_TEXT[kind](text, path.name, limits)
    for number, atoms in enumerate(frames, start=1):
        yield StoredStructure(_name_of(path, number, len(frames)), atoms, {})


def list_files(folder: Path) -> list[Path]:
    """The files of a folder that are read, in the order of their names."""
    return sorted((*folder.glob("*.cif"), *folder.glob("*.cif.gz")))


def parse_structures(text: str, format_: Format, name: str = "text", limits: FileLimits = _ANY) -> list[Atoms]:
    """The structures of a text.

    Args:
        text: content of a file; of a database, in Base64.
        format_: what it is.
        name: what to call the text in an error.
        limits: bounds on the text.

    Raises:
        FileFormatError: the text does not parse or is over a limit, with the line where it is known.
    """
    if len(text) > limits.max_bytes:
        raise FileFormatError(name, f"longer than {limits.max_bytes} bytes")
    if format_ in _OF_LINES:
        return [stored.atoms for stored in _OF_LINES[format_](text.splitlines(), name, limits)]
    return _OF_TEXT[format_](text, name, limits)


def _find_kind(name: str) -> str:
    plain = name.lower().removesuffix(".gz")
    kind = _ENDINGS.get(Path(plain).suffix) or ("poscar" if plain.startswith(("poscar", "contcar")) else None)
    if kind is None:
        raise FileFormatError(
            name, f"unknown kind of file; known are POSCAR, {', '.join(_ENDINGS)}, texts also with .gz"
        )
    return kind


def _name_of(path: Path, number: int, n_frames: int) -> str:
    stem = path.name.removesuffix(".gz").removesuffix(".cif").removesuffix(".json")
    return stem if n_frames == 1 else f"{stem}#{number}"


def read_lines(path: Path, limits: FileLimits) -> Generator[str]:
    """The lines of a file, decompressed as they are read: neither a long line nor a small archive fills the memory.

    The file is open until the generator ends or is closed.
    """
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
