"""Structures in files and as text. Imports ASE and pymatgen on first use only, and never torch."""

from rm_engine.files.crystals import KnownCrystal, Site, read_crystals
from rm_engine.files.molfile import write_sdf, write_xyz
from rm_engine.files.plain import from_json, to_json
from rm_engine.files.reading import FORMATS, Format, parse_structures, read_structures
from rm_engine.files.stored import FileLimits, StoredStructure
from rm_engine.files.writing import write_structure

__all__ = [
    "FORMATS",
    "FileLimits",
    "Format",
    "KnownCrystal",
    "Site",
    "StoredStructure",
    "from_json",
    "parse_structures",
    "read_crystals",
    "read_structures",
    "to_json",
    "write_sdf",
    "write_structure",
    "write_xyz",
]
