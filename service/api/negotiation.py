"""Which form of a structure a client wants."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final, Literal

from fastapi import HTTPException

TextFormat = Literal["cif", "poscar", "extxyz", "xyz", "sdf", "pymatgen"]
FileFormat = TextFormat | Literal["ase-db"]
StructureFormat = Literal["json"] | FileFormat

MEDIA_TYPES: Final[dict[StructureFormat, str]] = {
    "json": "application/json",
    "cif": "chemical/x-cif",
    "poscar": "chemical/x-vasp-poscar",
    "sdf": "chemical/x-mdl-sdfile",
    "extxyz": "chemical/x-xyz",
    "xyz": "chemical/x-xyz",
    "pymatgen": "application/vnd.pymatgen+json",
    "ase-db": "application/vnd.sqlite3",
}
"""Where a client leaves the choice open, the first that it accepts is taken: extended XYZ before plain, for example,
which every reader of the plain one understands."""

CRYSTAL_FORMATS: Final[tuple[StructureFormat, ...]] = ("json", "cif", "poscar", "extxyz", "pymatgen", "ase-db")
MOLECULE_FORMATS: Final[tuple[StructureFormat, ...]] = ("json", "sdf", "extxyz", "xyz", "pymatgen", "ase-db")


def choose_format(accept: str, offered: Collection[StructureFormat] = CRYSTAL_FORMATS) -> StructureFormat:
    """The format among those offered that an ``Accept`` header likes best.

    Raises:
        HTTPException: 406, it accepts none of them.
    """
    likings = [_parse_range(part) for part in accept.split(",")]
    for media_range, quality in sorted(likings, key=lambda liking: -liking[1]):
        for format_ in offered:
            if quality > 0 and _covers(media_range, MEDIA_TYPES[format_]):
                return format_
    media_types = dict.fromkeys(MEDIA_TYPES[format_] for format_ in offered)
    raise HTTPException(406, f"Accept one of: {', '.join(media_types)}; or say ?format={', '.join(offered)}.")


def _parse_range(text: str) -> tuple[str, float]:
    """Media range and quality; a quality that is no number counts as 0."""
    media_range, *parameters = (part.strip().lower() for part in text.split(";"))
    quality = next((value[2:] for value in parameters if value.startswith("q=")), "1")
    return media_range, float(quality) if quality.replace(".", "", 1).isdecimal() else 0.0


def _covers(media_range: str, media_type: str) -> bool:
    kind, _, _ = media_type.partition("/")
    return media_range in ("*/*", media_type, f"{kind}/*")
