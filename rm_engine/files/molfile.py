"""Molecules as chemists exchange them: XYZ and SDF (MDL V2000), written without any chemistry package."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from rm_engine.errors import InputError

if TYPE_CHECKING:
    from ase import Atoms

_CHARGES_PER_LINE: Final = 8
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
    return "\n".join([*lines, "$$$$"]) + "\n"


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
