"""Structures and molecules of pymatgen, and the JSON that they are written as."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from rm_engine.errors import FileFormatError, InputError
from rm_engine.files.stored import FileLimits, check_cell, check_size
from rm_engine.units import SYMBOLS

if TYPE_CHECKING:
    from ase import Atoms
    from pymatgen.core.structure import Molecule, Structure

PARSER_ERRORS: Final = (
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    ArithmeticError,
    AssertionError,
    NotImplementedError,
)
"""What pymatgen raises on malformed input: it does not check it first."""

_NOT_WANTED: Final = frozenset({"properties", "charge", "spin_multiplicity"})


def parse_pymatgen(text: str, name: str, limits: FileLimits) -> list[Atoms]:
    """The structures of a JSON text: a ``Structure`` or ``Molecule`` as ``as_dict`` gives it, or a list of them.

    Raises:
        FileFormatError: the text does not parse, a site is partly occupied, or a limit is passed.
    """
    try:
        content = json.loads(text, object_hook=_forget_classes)
    except json.JSONDecodeError as error:
        raise FileFormatError(name, f"no JSON ({error.msg})", error.lineno) from error
    except (ValueError, RecursionError) as error:
        raise FileFormatError(name, f"JSON that cannot be read ({error})") from error
    entries = content if isinstance(content, list) else [content]
    if len(entries) > limits.max_frames:
        raise FileFormatError(name, f"more than {limits.max_frames} structures")
    return [_parse_entry(entry, name, limits) for entry in entries]


def write_pymatgen(atoms: Atoms) -> dict[str, Any]:
    """What ``Structure.as_dict`` would give for the structure, or ``Molecule.as_dict``; pymatgen itself is not loaded.

    Raises:
        InputError: a periodic structure without a cell.
    """
    sites: list[dict[str, Any]] = [
        {"species": [{"element": symbol, "occu": 1}], "xyz": xyz, "label": symbol, "properties": {}}
        for symbol, xyz in zip(atoms.symbols, atoms.positions.tolist(), strict=True)
    ]
    common = {"@module": "pymatgen.core.structure", "properties": {}, "sites": sites}
    if not atoms.pbc.any():
        return {"@class": "Molecule", "charge": 0, "spin_multiplicity": None, **common}
    if atoms.cell.rank < 3:
        raise InputError("no_cell", "format", "pymatgen", "the structure has no cell", "Ask for extxyz or JSON.")
    for site, abc in zip(sites, atoms.cell.scaled_positions(atoms.positions).tolist(), strict=True):
        site["abc"] = abc
    lattice = {"matrix": atoms.cell.tolist(), "pbc": atoms.pbc.tolist()}
    return {"@class": "Structure", "charge": None, "lattice": lattice, **common}


def to_atoms(structure: Structure | Molecule, name: str, limits: FileLimits) -> Atoms:
    """The atoms of a structure of pymatgen.

    Raises:
        FileFormatError: a site is partly occupied or holds no element, or a limit is passed.
    """
    from ase import Atoms

    if not structure.is_ordered:
        raise FileFormatError(name, "sites are partly occupied; give an ordered structure")
    check_size(len(structure), limits, name)
    if not all(number in range(1, len(SYMBOLS)) for number in structure.atomic_numbers):
        raise FileFormatError(name, f"unknown elements among {structure.formula[:60]!r}")
    lattice = getattr(structure, "lattice", None)
    atoms = Atoms(
        numbers=structure.atomic_numbers,
        positions=structure.cart_coords,
        cell=lattice and lattice.matrix,
        pbc=lattice and lattice.pbc,
    )
    check_cell(atoms, name)
    return atoms


def _forget_classes(values: dict[str, Any]) -> dict[str, Any]:
    """Without what is not wanted, of which pymatgen would import whatever module a property names."""
    return {key: value for key, value in values.items() if not key.startswith("@") and key not in _NOT_WANTED}


def _parse_entry(entry: object, name: str, limits: FileLimits) -> Atoms:
    from pymatgen.core.structure import Molecule, Structure

    if not isinstance(entry, dict) or not isinstance(entry.get("sites"), list):
        raise FileFormatError(name, "neither a Structure nor a Molecule of pymatgen: there are no sites")
    check_size(len(entry["sites"]), limits, name)
    kind = Structure if "lattice" in entry else Molecule
    try:
        structure = kind.from_dict(entry)
    except PARSER_ERRORS as error:
        raise FileFormatError(name, f"cannot be read as {kind.__name__} ({type(error).__name__}: {error})") from error
    return to_atoms(structure, name, limits)
