"""``GET /structures/export``: all structures that pass the filters of the list, in one file.

The file is written while it is sent. Where that cannot go on, the connection is broken off: an answer that ends in
order is whole.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, closing
from dataclasses import replace
from typing import Annotated, Any, Final

import structlog
from fastapi import APIRouter, Depends, Query
from fastapi.responses import StreamingResponse
from pydantic import Field
from starlette.types import Send

from rm_engine.errors import InputError
from service.api.access import Reader
from service.api.archives import ARCHIVES, ArchiveFormat
from service.api.examples import describe_file
from service.api.services import Use
from service.api.structures import StructureFilters
from service.domain import StoreUnavailableError
from service.domain.views import StructureQuery, StructureView
from service.settings import Settings
from service.store import Store

router = APIRouter(prefix="/structures", tags=["structures"])

_PAGE: Final = 200
"""Structures that are in memory at a time."""

_log = structlog.get_logger(__name__)


class StructureExport(StructureFilters):
    """Filters of the list, its order, and what file is wanted."""

    format: ArchiveFormat = Field(
        "extxyz",
        description="`extxyz`, for ASE and most others; `jsonl`, a line for each structure as lists show it, with its "
        "atoms in `structure` as pymatgen has them; `zip` of CIF, of molecules SDF; `ase-db`, a database of ASE.",
    )


class _ExportResponse(StreamingResponse):
    """Ends without its last message where the export breaks off, at which the server closes the connection."""

    async def stream_response(self, send: Send) -> None:
        """Send the file."""
        try:
            await super().stream_response(send)
        except (StoreUnavailableError, TimeoutError) as error:
            _log.warning("export_broken_off", error=str(error))


async def _take_place(services: Use, _principal: Reader) -> AsyncIterator[ExitStack]:
    """Room for an export until its answer is over, whichever way; what is entered here is left then."""
    async with services.exports.take():
        with ExitStack() as place:
            yield place


_FILES: Final[dict[str, Any]] = {archive.media_type: describe_file(archive.media_type) for archive in ARCHIVES.values()}


@router.get("/export", response_class=_ExportResponse, responses={200: {"content": _FILES}})
def export_structures(
    services: Use,
    principal: Reader,
    place: Annotated[ExitStack, Depends(_take_place)],
    wanted: Annotated[StructureExport, Query()],
) -> StreamingResponse:
    """All structures that pass the filters, in the order of the list, as one file. A file that ends in order is whole;
    where the export cannot go on, the connection is broken off.
    """
    settings, archive = services.settings, ARCHIVES[wanted.format]
    query = wanted.to_query(principal.group, limit=_PAGE)
    _check_size(services.store, query, wanted.format, settings)
    pieces = place.enter_context(closing(archive.write(_read_pages(services.store, query))))
    headers = {"Content-Disposition": f'attachment; filename="structures.{archive.ending}"'}
    return _ExportResponse(_hurry(pieces, settings.export_seconds), headers=headers, media_type=archive.media_type)


def _check_size(store: Store, query: StructureQuery, format_: ArchiveFormat, settings: Settings) -> None:
    """Refuse what would be too large, before anything is sent."""
    files = settings.max_export_files if format_ == "zip" else settings.max_export_structures
    most = min(files, settings.max_export_structures)
    with store.reading() as tx:
        if tx.structure_views.are_more_than(most, query):
            reason = f"more than {most} structures pass the filters, and no more go into one file of this kind"
            hint = "Filter further, by job, composition or model for example."
            raise InputError("too_many_structures", "format", format_, reason, hint)


def _read_pages(store: Store, query: StructureQuery) -> Iterator[list[StructureView]]:
    while True:
        with store.reading() as tx:
            page = tx.structure_views.search(query)
            views = tx.structure_views.with_atoms(page.items)
        yield views
        if page.next_key is None:
            return
        query = replace(query, after=tuple(page.next_key))


def _hurry(pieces: Iterator[bytes], seconds: float) -> Iterator[bytes]:
    """The same pieces, as long as there is time.

    Raises:
        TimeoutError: there is none left.
    """
    ends_at = time.monotonic() + seconds
    for piece in pieces:
        if time.monotonic() > ends_at:
            raise TimeoutError(f"It was not over after {seconds:g} s.")
        yield piece
