"""ASE databases in an SQLite file: written by ASE, read as the untrusted files that they are.

ASE itself opens a database to write to it, and decodes constraints and calculators, of which nothing is wanted here.
"""

from __future__ import annotations

import json
import sqlite3
from base64 import b64decode
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from rm_engine.errors import FileFormatError
from rm_engine.files.stored import FileLimits, StoredStructure, check_cell, check_size
from rm_engine.units import SYMBOLS

if TYPE_CHECKING:
    from ase import Atoms

_WIDEST_VALUE: Final = 2**20
"""Bytes of a value that SQLite gives out: the positions of 40,000 atoms."""
_AXES: Final = (1, 2, 4)
"""Bits of the column ``pbc``."""


def read_ase_db(path: Path, limits: FileLimits) -> Iterator[StoredStructure]:
    """The structures of a database, one after the other, with their key-value pairs and their energy in ``info``.

    Raises:
        FileFormatError: this is no ASE database, or one over a limit.
        OSError: the file cannot be opened.
    """
    if path.stat().st_size > limits.max_bytes:
        raise FileFormatError(path.name, f"longer than {limits.max_bytes} bytes")
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as connection:
        yield from _read_rows(connection, path.name, limits)


def parse_ase_db(text: str, name: str, limits: FileLimits) -> list[Atoms]:
    """The structures of a database that comes as text, which is Base64. No file is opened.

    Raises:
        FileFormatError: this is no ASE database, or one over a limit.
    """
    try:
        content = b64decode("".join(text.split()), validate=True)
    except ValueError as error:
        raise FileFormatError(name, f"not in Base64 ({error})") from error
    if not content:
        raise FileFormatError(name, "there is nothing in it")
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.deserialize(content)
        return [stored.atoms for stored in _read_rows(connection, name, limits)]


def append_to_ase_db(path: Path, structures: Iterable[Atoms]) -> None:
    """Write structures into a database, which is made where it is missing, in one transaction.

    The values of ``atoms.info`` become key-value pairs; those that ASE does not take as such, text that looks like a
    number, become data.
    """
    from ase.db import connect
    from ase.db.core import now, str_represents
    from ase.db.row import AtomsRow, atoms2dict

    with connect(path, type="db", use_lock_file=False) as database:
        for atoms in structures:
            row = AtomsRow({**atoms2dict(atoms), "ctime": now(), "user": None})  # ASE would write down who we are
            pairs = {
                key: value
                for key, value in atoms.info.items()
                if not isinstance(value, str) or not str_represents(value, bool | int | float)
            }
            database.write(row, pairs, {key: value for key, value in atoms.info.items() if key not in pairs})


def _read_rows(connection: sqlite3.Connection, name: str, limits: FileLimits) -> Iterator[StoredStructure]:
    try:
        _restrain(connection)
        if connection.execute("SELECT type FROM sqlite_master WHERE name = 'systems'").fetchone() != ("table",):
            raise FileFormatError(name, "there is no table of systems in it, as ASE makes one")
        rows = connection.execute(
            "SELECT id, numbers, positions, cell, pbc, energy, key_value_pairs FROM systems ORDER BY id"
        )
        for n_read, (identity, *columns) in enumerate(rows, start=1):
            if n_read > limits.max_frames:
                raise FileFormatError(name, f"more than {limits.max_frames} structures")
            yield _read_row(columns, f"{name}#{identity}", limits)
    except (sqlite3.Error, OverflowError) as error:
        raise FileFormatError(name, f"cannot be read as a database of ASE ({error})") from error


def _restrain(connection: sqlite3.Connection) -> None:
    """Let the file do nothing but give out rows."""
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _WIDEST_VALUE)
    for setting in ("trusted_schema = OFF", "query_only = ON", "cell_size_check = ON", "temp_store = MEMORY"):
        connection.execute(f"PRAGMA {setting}")


def _read_row(columns: list[Any], name: str, limits: FileLimits) -> StoredStructure:
    import numpy as np
    from ase import Atoms

    *arrays, periodic, energy, pairs = columns
    try:
        numbers = np.frombuffer(arrays[0], "<i4")
        check_size(len(numbers), limits, name)
        positions, cell = (np.frombuffer(array, "<f8").reshape(-1, 3) for array in arrays[1:])
        atoms = Atoms(numbers, positions=positions, cell=cell, pbc=[bool(periodic & bit) for bit in _AXES])
        info = dict(json.loads(pairs or "{}"))
    except (ValueError, TypeError, RecursionError) as error:
        raise FileFormatError(name, f"a row that is not as ASE writes them ({error})") from error
    if not all(0 < number < len(SYMBOLS) for number in numbers):
        raise FileFormatError(name, "unknown elements")
    check_cell(atoms, name)
    if energy is not None:
        info["energy"] = energy
    return StoredStructure(str(info.get("material_id", info.get("name", name))), atoms, info)
