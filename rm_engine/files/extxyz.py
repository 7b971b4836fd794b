"""Reading extended XYZ one frame at a time, with the line of whatever does not parse.

Lines are taken as they come, so compressed files of any size are read in little memory and without seeking.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import islice
from typing import Any, Final

from rm_engine.errors import FileFormatError
from rm_engine.files.stored import FileLimits, StoredStructure, check_cell, check_size
from rm_engine.units import ATOMIC_NUMBERS

_PLAIN_XYZ: Final = "species:S:1:pos:R:3"
_LONGEST_COUNT: Final = 18


def read_extxyz(lines: Iterable[str], name: str, limits: FileLimits) -> Iterator[StoredStructure]:
    """The structures of an extended or plain XYZ text.

    Columns other than the species and the positions are skipped; values of the comment line go to ``info``.

    Raises:
        FileFormatError: with the line, where the text does not parse or is over a limit.
    """
    for read in scan_extxyz(lines, name, limits):
        yield read()


def scan_extxyz(lines: Iterable[str], name: str, limits: FileLimits) -> Iterator[Callable[[], StoredStructure]]:
    """What reads each structure of :func:`read_extxyz`: one that does not parse keeps nobody from the next.

    Raises:
        FileFormatError: with the line, where no structure begins or the text ends within one.
    """
    numbered = enumerate(lines, start=1)
    for n_read, (line, count) in enumerate((row for row in numbered if row[1].strip()), start=1):
        if n_read > limits.max_frames:
            raise FileFormatError(name, f"more than {limits.max_frames} structures", line)
        n_atoms = _read_count(count, name, line)
        rows = islice(numbered, n_atoms + 1)
        frame = [text for _, text in islice(rows, limits.max_atoms + 1)]
        n_lines = len(frame) + sum(1 for _ in rows)
        if n_lines != n_atoms + 1:
            raise FileFormatError(name, f"the file ends within a structure of {n_atoms} atoms", line + n_lines)
        yield partial(_read_frame, n_atoms, frame, line + 1, f"{name}#{n_read}", name, limits)


def _read_count(text: str, name: str, line: int) -> int:
    count = text.strip()
    if not count.isdecimal() or len(count) > _LONGEST_COUNT:
        raise FileFormatError(name, f"expected a number of atoms, not {count[:40]!r}", line)
    return int(count)


def _read_frame(
    n_atoms: int, frame: list[str], line: int, default_name: str, file: str, limits: FileLimits
) -> StoredStructure:
    """The structure of a comment line, which is line ``line`` of the file, and its atom lines."""
    from ase import Atoms

    check_size(n_atoms, limits, file, line - 1)
    info, cell, periodic, columns = _read_comment(frame[0], file, line)
    numbers, positions = [], []
    for row, text in enumerate(frame[1:], start=line + 1):
        number, position = _read_atom(text.split(), columns, file, row, limits.only_physical)
        numbers.append(number)
        positions.append(position)
    atoms = Atoms(numbers=numbers, positions=positions, cell=cell, pbc=periodic)
    if limits.only_physical:
        check_cell(atoms, file, line)
    return StoredStructure(str(info.get("material_id", info.get("name", default_name))), atoms, info)


def _read_comment(text: str, name: str, line: int) -> tuple[dict[str, Any], Any, Any, tuple[int, int]]:
    """(values, cell or None, periodicity, columns of species and position)."""
    import numpy as np
    from ase.io.extxyz import key_val_str_to_dict

    try:
        info: dict[str, Any] = key_val_str_to_dict(text.strip())
        cell = info.pop("Lattice", None)
        if cell is not None:
            cell = np.asarray(cell, dtype=float).T.reshape(3, 3)  # ASE gives the vectors as columns
        periodic = np.broadcast_to(np.asarray(info.pop("pbc", cell is not None), dtype=bool), 3)
        return info, cell, periodic, _find_columns(str(info.pop("Properties", _PLAIN_XYZ)))
    except (ValueError, TypeError, LookupError, AttributeError) as error:
        raise FileFormatError(name, f"cannot read the comment line ({error})", line) from error


def _find_columns(properties: str) -> tuple[int, int]:
    """Columns where the species and the position start, from ``name:type:width`` triplets."""
    fields = properties.split(":")
    starts, column = {}, 0
    for label, width in zip(fields[0::3], fields[2::3], strict=True):
        starts[label] = column
        column += int(width)
    return starts["species"], starts["pos"]


def _read_atom(
    fields: list[str], columns: tuple[int, int], name: str, line: int, only_physical: bool
) -> tuple[int, list[float]]:
    species, first = columns
    try:
        number = ATOMIC_NUMBERS[fields[species]] if only_physical else ATOMIC_NUMBERS.get(fields[species], 0)
        position = [float(fields[first + axis]) for axis in range(3)]
    except (LookupError, ValueError) as error:
        reason = f"expected an element symbol and three coordinates, not {' '.join(fields)[:60]!r}"
        raise FileFormatError(name, reason, line) from error
    if only_physical and not all(map(math.isfinite, position)):
        raise FileFormatError(name, "a coordinate is not finite", line)
    return number, position
