"""Which form of a structure a client wants."""

from __future__ import annotations

from typing import Final, Literal

from fastapi import HTTPException

StructureFormat = Literal["json", "cif", "poscar", "extxyz"]

MEDIA_TYPES: Final[dict[str, StructureFormat]] = {
    "application/json": "json",
    "chemical/x-cif": "cif",
    "chemical/x-vasp-poscar": "poscar",
    "chemical/x-xyz": "extxyz",
}
"""Where a client leaves the choice open, the first that it accepts is taken."""


def choose_format(accept: str) -> StructureFormat:
    """The format that an ``Accept`` header likes best.

    Raises:
        HTTPException: 406, it accepts none of ours.
    """
    likings = [_parse_range(part) for part in accept.split(",")]
    for media_range, quality in sorted(likings, key=lambda liking: -liking[1]):
        for media_type, format_ in MEDIA_TYPES.items():
            if quality > 0 and _covers(media_range, media_type):
                return format_
    raise HTTPException(406, f"Accept one of: {', '.join(MEDIA_TYPES)}; or say ?format=json, cif, poscar or extxyz.")


def _parse_range(text: str) -> tuple[str, float]:
    """Media range and quality; a quality that is no number counts as 0."""
    media_range, *parameters = (part.strip().lower() for part in text.split(";"))
    quality = next((value[2:] for value in parameters if value.startswith("q=")), "1")
    return media_range, float(quality) if quality.replace(".", "", 1).isdecimal() else 0.0


def _covers(media_range: str, media_type: str) -> bool:
    kind, _, _ = media_type.partition("/")
    return media_range in ("*/*", media_type, f"{kind}/*")
