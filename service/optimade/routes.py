"""``/optimade``: versions, what is served, structures, links."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Request, Response

from service.api.access import Reader
from service.api.contract import may_answer
from service.api.paging import encode_cursor
from service.api.requests import StructureId
from service.api.services import Use
from service.domain import NotFoundError
from service.domain.ids import is_structure_id
from service.optimade.answers import (
    API_VERSION,
    ROOT,
    SERVED,
    OptimadeResponse,
    base_url,
    describe,
    warn,
    write_entry,
)
from service.optimade.catalog import PROPERTIES
from service.optimade.filters import FilterReader
from service.optimade.properties import DataType, Property
from service.optimade.requests import EntryParameters, ListParameters, check_paging
from service.optimade.schemas import OptimadeList, OptimadeOne

_MAX_COUNTED: Final = 10_000
"""Most rows that are read to count; of more, the number is not told."""

_VERSIONS: Final = "version\n1\n"

_UNITS: Final = {"Å": "angstrom", "Å^3": "angstrom^3", "eV": "electronvolt"}


def optimade_info(request: Request, _reader: Reader) -> Response:
    """What is served, and in which versions."""
    url = base_url(request)
    attributes = {
        "api_version": API_VERSION,
        "available_api_versions": [{"url": f"{url}/{name}/", "version": number} for name, number in SERVED.items()],
        "formats": ["json"],
        "available_endpoints": ["info", "links", "structures"],
        "entry_types_by_format": {"json": ["structures"]},
        "is_index": False,
        "license": None,
        "available_licenses": None,
    }
    return OptimadeResponse({"data": {"id": "/", "type": "info", "attributes": attributes}, "meta": describe(request)})


def optimade_info_structures(request: Request, _reader: Reader) -> Response:
    """The properties of structures, with types and units."""
    data = {
        "id": "structures",
        "type": "info",
        "description": "Crystals and molecules that jobs of this service have generated, all of them.",
        "properties": {name: _describe_property(name, found) for name, found in PROPERTIES.items()},
        "formats": ["json"],
        "output_fields_by_format": {"json": list(PROPERTIES)},
    }
    return OptimadeResponse({"data": data, "meta": describe(request)})


def optimade_structures(
    request: Request, services: Use, principal: Reader, parameters: Annotated[ListParameters, Query()]
) -> Response:
    """Structures that pass a filter, by id unless another order is asked for."""
    check_paging(request.query_params)
    fields, reader = parameters.choose(), FilterReader()
    query = parameters.to_query(services.settings, principal.group, reader)
    with services.store.reading() as tx:
        page = tx.structure_views.search(query)
        is_all = query.after is None and page.next_key is None
        n_found = len(page.items) if is_all else tx.structure_views.count(query, _MAX_COUNTED)
        views = tx.structure_views.with_atoms(page.items) if fields.need_atoms else page.items
    following = page.next_key and encode_cursor([parameters.sort, *page.next_key])
    warnings = warn([*reader.foreign, *fields.foreign])
    return OptimadeResponse({
        "data": [write_entry(view, fields.names) for view in views],
        "links": {"next": following and str(request.url.include_query_params(page_cursor=following))},
        "meta": describe(request, has_more=following is not None, n_found=n_found, warnings=warnings),
    })  # fmt: skip


def optimade_structure(
    structure_id: StructureId,
    request: Request,
    services: Use,
    principal: Reader,
    parameters: Annotated[EntryParameters, Query()],
) -> Response:
    """One structure."""
    fields = parameters.choose()
    if not is_structure_id(structure_id):
        raise NotFoundError("structure", structure_id)
    with services.store.reading() as tx:
        view = tx.structure_views.get(structure_id, principal.group)
    meta = describe(request, n_found=1, warnings=warn(fields.foreign))
    return OptimadeResponse({"data": write_entry(view, fields.names), "meta": meta})


def optimade_links(request: Request, _reader: Reader) -> Response:
    """Related databases: only this one."""
    attributes = {
        "name": "rmatch",
        "description": "Structures proposed by Response Matching.",
        "base_url": base_url(request),
        "homepage": None,
        "link_type": "root",
    }
    data = [{"id": "rmatch", "type": "links", "attributes": attributes}]
    return OptimadeResponse({"data": data, "links": {"next": None}, "meta": describe(request, n_found=1)})


def _describe_property(name: str, found: Property) -> dict[str, Any]:
    """As OPTIMADE 1.1 has it, which clients read, and the names that 1.2 has for the same."""
    can_filter = found.field is not None or found.constant is not None
    implementation = {
        "sortable": found.order is not None,
        "query-support": _say_support(found) if can_filter else "none",
    }
    described = {
        "title": name.strip("_").replace("_", " "),
        "description": found.description,
        "type": found.type,
        "sortable": found.order is not None,
        "x-optimade-type": found.type,
        "x-optimade-unit": _say_unit(found),
        "x-optimade-implementation": implementation,
    }
    return described | ({"unit": found.unit} if found.unit else {})


def _say_support(found: Property) -> str:
    return "equality only" if found.field == "hill" else "all mandatory"


def _say_unit(found: Property) -> str:
    if found.unit:
        return _UNITS[found.unit]
    return "dimensionless" if found.type in (DataType.INTEGER, DataType.FLOAT) else "inapplicable"


def _serve(base: str, *, is_described: bool) -> APIRouter:
    """The routes under a base URL: that of a version, or the one without."""
    router = APIRouter(
        prefix=base,
        tags=["optimade"],
        default_response_class=OptimadeResponse,
        include_in_schema=is_described,
    )
    for path, endpoint, model, statuses in (
        ("/info", optimade_info, OptimadeOne, ()),
        ("/info/structures", optimade_info_structures, OptimadeOne, ()),
        ("/structures", optimade_structures, OptimadeList, (501,)),
        ("/structures/{structure_id}", optimade_structure, OptimadeOne, ()),
        ("/links", optimade_links, OptimadeList, ()),
    ):
        router.add_api_route(path, endpoint, response_model=model, responses=may_answer(*statuses))
    return router


router = APIRouter(prefix=ROOT, tags=["optimade"])


@router.get(
    "/versions",
    response_class=Response,
    responses={
        200: {
            "content": {"text/csv": {"schema": {"type": "string"}, "example": _VERSIONS}},
            "description": "Versions.",
        }
    },
)
def optimade_versions(_reader: Reader) -> Response:
    """The major versions that are served."""
    return Response(_VERSIONS, media_type="text/csv; header=present")


routers: Final = (
    router,
    _serve(f"{ROOT}/v1", is_described=True),
    _serve(f"{ROOT}/v1.2", is_described=False),
    _serve(ROOT, is_described=False),
)
