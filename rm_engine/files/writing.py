"""Writing a structure as text."""

from __future__ import annotations

import json
from io import BytesIO, StringIO
from typing import TYPE_CHECKING, Literal

from rm_engine.errors import InputError
from rm_engine.files.pymatgen_json import write_pymatgen

if TYPE_CHECKING:
    from ase import Atoms

WrittenFormat = Literal["cif", "poscar", "extxyz", "pymatgen"]


def write_structure(atoms: Atoms, format_: WrittenFormat) -> str:
    """The structure as a text in a format; the same structure always gives the same text.

    A POSCAR has its atoms sorted by element. Scalar values of ``atoms.info`` go into extended XYZ only.

    Raises:
        InputError: CIF or POSCAR of a structure without a cell.
    """
    from ase import Atoms, io

    if format_ == "pymatgen":
        return json.dumps(write_pymatgen(atoms))
    plain = Atoms(atoms.numbers, positions=atoms.positions, cell=atoms.cell, pbc=atoms.pbc)
    text = StringIO()
    if format_ == "extxyz":
        plain.info = {key: value for key, value in atoms.info.items() if isinstance(value, str | int | float)}
        io.write(text, plain, format="extxyz")
        return text.getvalue()
    if atoms.cell.rank < 3:
        raise InputError("no_cell", "format", format_, "the structure has no cell", "Ask for extxyz, pymatgen or JSON.")
    if format_ == "poscar":
        io.write(text, plain, format="vasp", direct=True, sort=True)
        return text.getvalue()
    binary = BytesIO()
    io.write(binary, plain, format="cif", wrap=False)
    return binary.getvalue().decode()
