"""Molecules as chemists exchange them: XYZ and SDF (MDL V2000), without any chemistry package."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from rm_engine.errors import FileFormatError, InputError
from rm_engine.files.stored import FileLimits, StoredStructure, check_cell, check_size
from rm_engine.units import ATOMIC_NUMBERS

if TYPE_CHECKING:
    from ase import Atoms

_CHARGES_PER_LINE: Final = 8
_HEADER: Final = 4
"""Lines: title, program and dimension, comment, counts."""
_END: Final = "$$$$"
_MOST_ATOMS: Final = 999


def write_xyz(atoms: Atoms, comment: str = "") -> str:
    """The molecule as XYZ: the number of atoms, a comment, and symbol and position (Å) of every atom.

    Raises:
        InputError: the structure is periodic; XYZ would forget its cell.
    """
    _check_molecule(atoms, "xyz")
    lines = [str(len(atoms)), comment.replace("\n", " ")]
    for symbol, position in zip(atoms.symbols, atoms.positions, strict=True):
        lines.append(f"{symbol:<2} " + " ".join(f"{x:15.8f}" for x in position))
    return "\n".join(lines) + "\n"


def write_sdf(
    atoms: Atoms,
    bonds: Sequence[tuple[int, int, int]] = (),
    charges: Sequence[tuple[int, int]] = (),
    *,
    title: str = "",
    properties: Mapping[str, object] | None = None,
) -> str:
    """The molecule as one record of an SDF file (CTfile formats, V2000).

    Args:
        atoms: the molecule, positions in Å.
        bonds: (atom, atom, order) with atoms counted from 0 and orders 1 to 3.
        charges: (atom, formal charge) of the atoms that have one.
        title: first line.
        properties: data items after the molecule; what is None is left out.

    Raises:
        InputError: the structure is periodic, or has more atoms than the format can count.
    """
    _check_molecule(atoms, "sdf")
    lines = [title, f"{'':2}{'rmatch':8}{'':10}3D", ""]
    lines.append(f"{len(atoms):3d}{len(bonds):3d}  0  0  0  0  0  0  0  0999 V2000")
    for symbol, position in zip(atoms.symbols, atoms.positions, strict=True):
        lines.append("".join(f"{x:10.4f}" for x in position) + f" {symbol:<3} 0" + "  0" * 11)
    lines += [f"{first + 1:3d}{second + 1:3d}{order:3d}  0" for first, second, order in bonds]
    lines += [*_charge_lines(charges), "M  END"]
    for name, value in (properties or {}).items():
        if value is not None:
            lines += [f">  <{name}>", str(value), ""]
    return "\n".join([*lines, _END]) + "\n"


def read_sdf(lines: Iterable[str], name: str, limits: FileLimits) -> Iterator[StoredStructure]:
    """The molecules of an SDF text (V2000), or of a molfile; bonds and charges are skipped, data items go to ``info``.

    Raises:
        FileFormatError: with the line, where the text does not parse, is a flat drawing, or is over a limit.
    """
    numbered = ((row, line.rstrip()) for row, line in enumerate(lines, start=1))
    for n_read, first in enumerate(numbered, start=1):
        header = [first, *islice(numbered, _HEADER - 1)]
        if not any(text for _, text in header):
            return
        if n_read > limits.max_frames:
            raise FileFormatError(name, f"more than {limits.max_frames} structures", first[0])
        atoms = _read_atoms(numbered, _read_counts(header, name, limits), name)
        info = _read_items(numbered)
        yield StoredStructure(str(info.get("name", first[1] or f"{name}#{n_read}")), atoms, info)


def _read_counts(header: Sequence[tuple[int, str]], name: str, limits: FileLimits) -> int:
    """The number of atoms, from the header of a molecule."""
    row, counts = header[-1]
    if len(header) < _HEADER or not counts.endswith("V2000"):
        raise FileFormatError(name, f"expected counts of atoms and bonds, in V2000, not {counts[:40]!r}", row)
    if header[1][1][20:22] == "2D":
        raise FileFormatError(name, "the molecule is a flat drawing; give positions in space", row - 2)
    try:
        n_atoms = int(counts[:3])
    except ValueError as error:
        raise FileFormatError(name, f"expected a number of atoms, not {counts[:3]!r}", row) from error
    check_size(n_atoms, limits, name, row)
    return n_atoms


def _read_atoms(numbered: Iterator[tuple[int, str]], n_atoms: int, name: str) -> Atoms:
    from ase import Atoms

    numbers, positions, row = [], [], 0
    for row, text in islice(numbered, n_atoms):
        try:
            positions.append([float(text[start : start + 10]) for start in (0, 10, 20)])
            numbers.append(ATOMIC_NUMBERS[text[31:34].strip()])
        except (LookupError, ValueError) as error:
            reason = f"expected three coordinates and an element symbol, not {text[:60]!r}"
            raise FileFormatError(name, reason, row) from error
    if len(numbers) < n_atoms:
        raise FileFormatError(name, f"the file ends within a molecule of {n_atoms} atoms", row or None)
    atoms = Atoms(numbers, positions=positions)
    check_cell(atoms, name, row)
    return atoms


def _read_items(numbered: Iterator[tuple[int, str]]) -> dict[str, Any]:
    """The first line of every data item, by its name; takes the lines up to the end of the molecule."""
    items, item = {}, ""
    for _, text in numbered:
        if text == _END:
            break
        if item:
            items[item] = text
        item = text.partition("<")[2].partition(">")[0] if text.startswith(">") else ""
    return items


def _charge_lines(charges: Sequence[tuple[int, int]]) -> Iterator[str]:
    for first in range(0, len(charges), _CHARGES_PER_LINE):
        group = charges[first : first + _CHARGES_PER_LINE]
        yield f"M  CHG{len(group):3d}" + "".join(f" {atom + 1:3d} {charge:3d}" for atom, charge in group)


def _check_molecule(atoms: Atoms, format_: str) -> None:
    if atoms.pbc.any():
        hint = "Ask for cif, poscar, extxyz or JSON."
        raise InputError("no_molecule", "format", format_, "the structure is periodic, and this form has no cell", hint)
    if len(atoms) > _MOST_ATOMS:
        raise InputError("too_many_atoms", "format", format_, f"{len(atoms)} atoms", "Ask for extxyz or JSON.")
