"""``/references``."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request

from rm_engine.spec import parse_formula
from service.api.access import Reader, Writer
from service.api.paging import Cursor, Limit, decode_cursor, next_path, page_size
from service.api.requests import FORMULA_SCHEMA, ReferenceUpload
from service.api.schemas import ReferencePage
from service.api.services import Use
from service.domain import Reference
from service.domain.views import Page, ReferenceView
from service.jobs import add_references

router = APIRouter(prefix="/references", tags=["references"])


@router.post("", status_code=201)
def post_references(upload: ReferenceUpload, services: Use, principal: Writer) -> ReferencePage:
    """Add the structures of a file to the known ones. One whose atoms are known already stays as it is."""
    structures = services.sandbox.parse(upload.content, upload.format)
    references = [
        Reference(
            name=upload.name if len(structures) == 1 else f"{upload.name} #{number}",
            atoms=atoms,
            source=upload.source,
            group=principal.group,
        )
        for number, atoms in enumerate(structures, start=1)
    ]
    ids = add_references(services.store, references)
    with services.store.reading() as tx:
        return ReferencePage(items=tx.reference_views.get(ids), next=None)


@router.get("")
def list_references(
    request: Request,
    services: Use,
    principal: Reader,
    composition: Annotated[
        str | None, Query(description="Any formula; compared reduced.", json_schema_extra=FORMULA_SCHEMA)
    ] = None,
    limit: Limit = None,
    cursor: Cursor = None,
) -> ReferencePage:
    """The known structures."""
    reduced = None if composition is None else parse_formula(composition).reduced
    after = decode_cursor(cursor, str)[0] if cursor else None
    with services.store.reading() as tx:
        page: Page[ReferenceView] = tx.reference_views.search(
            principal.group, reduced, after, page_size(limit, services.settings)
        )
    return ReferencePage(items=page.items, next=next_path(request, page.next_key))
