"""Structures in files and as text. Imports ASE and pymatgen on first use only, and never torch."""

from rm_engine.files.ase_db import append_to_ase_db
from rm_engine.files.crystals import KnownCrystal, Site, read_crystals
from rm_engine.files.molfile import write_sdf, write_xyz
from rm_engine.files.plain import from_json, to_json
from rm_engine.files.pymatgen_json import write_pymatgen
from rm_engine.files.reading import FORMATS, Format, parse_structures, read_structures
from rm_engine.files.scanning import Entry, scan_structures
from rm_engine.files.stored import FileLimits, StoredStructure
from rm_engine.files.writing import WrittenFormat, write_structure

__all__ = [
    "FORMATS",
    "Entry",
    "FileLimits",
    "Format",
    "KnownCrystal",
    "Site",
    "StoredStructure",
    "WrittenFormat",
    "append_to_ase_db",
    "from_json",
    "parse_structures",
    "read_crystals",
    "read_structures",
    "scan_structures",
    "to_json",
    "write_pymatgen",
    "write_sdf",
    "write_structure",
    "write_xyz",
]
