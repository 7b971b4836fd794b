"""Reading CIF, alone and in the CSV files of MP-20, with pymatgen."""

from __future__ import annotations

import csv
import re
import warnings
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from rm_engine.errors import FileFormatError
from rm_engine.files.pymatgen_json import PARSER_ERRORS, to_atoms
from rm_engine.files.stored import FileLimits, StoredStructure

if TYPE_CHECKING:
    from ase import Atoms

_LONGEST_LINE: Final = 2048
"""As the standard has it (CIF 1.1); the time to find quotes in a line grows with the square of its length."""
_SPACE_GROUP: Final = re.compile(r"_(space_group_name_H-M|space_group_IT_number|Int_Tables_number)", re.IGNORECASE)


def parse_cif(text: str, name: str, limits: FileLimits) -> list[Atoms]:
    """The structures of a CIF text, one per data block, in the cell of the file.

    Raises:
        FileFormatError: the text does not parse, a site is partly occupied, or a limit is passed; with the line where
            the parser's complaint quotes a value that stands on one line only.
    """
    blocks = [block for block in _split_blocks(text, name) if "_atom_site_" in block[1]]
    if not blocks:
        raise FileFormatError(name, "there is no data block with atoms in it")
    if len(blocks) > limits.max_frames:
        raise FileFormatError(name, f"more than {limits.max_frames} structures")
    return [_parse_block(block, line, name, limits) for line, block in blocks]


def _split_blocks(text: str, name: str) -> Iterator[tuple[int, str]]:
    """(1-based first line, text) of every data block; text between lines that start with a semicolon is no CIF."""
    start, is_quoted = 1, False
    block: list[str] = []
    for number, line in enumerate(text.splitlines(), start=1):
        if len(line) > _LONGEST_LINE:
            raise FileFormatError(name, f"longer than the {_LONGEST_LINE} characters of a line of CIF", number)
        is_quoted ^= line.startswith(";")
        if line.lower().startswith("data_") and not is_quoted:
            yield start, "\n".join(block)
            start, block = number, []
        block.append(line)
    yield start, "\n".join(block)


def _parse_block(text: str, first_line: int, name: str, limits: FileLimits) -> Atoms:
    from pymatgen.io.cif import CifParser

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the parser keeps them in a list as well
            parser: Any = CifParser.from_str(text)
            structure = parser.parse_structures(primitive=False, on_error="raise")[0]
    except PARSER_ERRORS as error:
        complaint = str(error).rpartition("\n")[2] or type(error).__name__
        line = _find_line(text, complaint)
        raise FileFormatError(name, f"cannot be read as CIF ({complaint})", line and first_line + line - 1) from error
    if _SPACE_GROUP.search(text) and any("Defaulting to P1" in warning for warning in parser.warnings):
        raise FileFormatError(name, "the space group is not understood; list the symmetry operations", first_line)
    return to_atoms(structure, name, limits)


def _find_line(text: str, complaint: str) -> int | None:
    """The 1-based line of a value that the complaint quotes, if it stands on one line only."""
    for quoted in re.findall(r"'([^']+)'", complaint):
        found = [number for number, line in enumerate(text.splitlines(), start=1) if quoted in line]
        if len(found) == 1:
            return found[0]
    return None


def read_csv(lines: Iterable[str], name: str, limits: FileLimits) -> Iterator[StoredStructure]:
    """The structures of a CSV file with a column ``cif``; the other columns go to ``info``.

    Raises:
        FileFormatError: with the line, where the text does not parse or is over a limit.
    """
    for read in scan_csv(lines, name, limits):
        yield read()


def scan_csv(lines: Iterable[str], name: str, limits: FileLimits) -> Iterator[Callable[[], StoredStructure]]:
    """What reads each structure of :func:`read_csv`: one that does not parse keeps nobody from the next.

    Raises:
        FileFormatError: with the line, where the text is no CSV.
    """
    reader = csv.DictReader(lines, strict=True)
    if "cif" not in (reader.fieldnames or ()):
        raise FileFormatError(name, "there is no column named cif", 1)
    line = reader.line_num + 1
    for n_read, row in enumerate(_read_rows(reader, name), start=1):
        if n_read > limits.max_frames:
            raise FileFormatError(name, f"more than {limits.max_frames} structures", line)
        yield partial(_read_row, row, line, f"{name}#{n_read}", name, limits)
        line = reader.line_num + 1


def _read_row(row: dict[str, Any], line: int, default_name: str, file: str, limits: FileLimits) -> StoredStructure:
    """The structure of a row that begins in line ``line`` of the file."""
    try:
        atoms = parse_cif(row["cif"] or "", file, limits)[0]
    except FileFormatError as error:
        raise FileFormatError(file, error.reason, line + (error.line or 1) - 1) from error
    info = {key: _to_scalar(value) for key, value in row.items() if key and value and key != "cif"}
    return StoredStructure(str(info.get("material_id", default_name)), atoms, info)


def _read_rows(reader: csv.DictReader[str], name: str) -> Iterator[dict[str, Any]]:
    try:
        yield from reader
    except csv.Error as error:
        raise FileFormatError(name, str(error), reader.line_num) from error


def _to_scalar(text: str) -> int | float | str:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
