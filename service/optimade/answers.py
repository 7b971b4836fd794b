"""Answers as OPTIMADE has them: JSON:API documents that say in ``meta`` what was asked and who answers."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any, Final

from fastapi import Request
from fastapi.responses import JSONResponse

from service.domain.views import StructureView
from service.optimade.catalog import PROPERTIES
from service.optimade.own import PREFIX

Json = dict[str, Any]

ROOT: Final = "/optimade"
API_VERSION: Final = "1.2.0"
SERVED: Final = {"v1": "1.2.0", "v1.2": "1.2.0"}
"""Versions by the last part of their base URL."""

MEDIA_TYPE: Final = "application/vnd.api+json"
_BASE: Final = re.compile(rf"^{ROOT}(/v[0-9][^/]*)?")
_PROVIDER: Final = {
    "name": "rmatch",
    "description": "Crystals and molecules proposed by Response Matching: relaxed on a pseudo energy surface.",
    "prefix": PREFIX.strip("_"),
}


class OptimadeResponse(JSONResponse):
    """A JSON:API document; of this class, so that FastAPI describes it by its model and not as a text."""

    media_type = MEDIA_TYPE

    def render(self, content: Any) -> bytes:  # noqa: ANN401  whatever JSON can say
        """In ASCII: what the client sent may hold surrogates, which UTF-8 cannot."""
        return json.dumps(content).encode("ascii")


def base_url(request: Request) -> str:
    """The URL under which the versions are."""
    return f"{str(request.base_url).rstrip('/')}{ROOT}"


def describe(
    request: Request, *, has_more: bool = False, n_found: int | None = None, warnings: Sequence[Json] = ()
) -> Json:
    """The ``meta`` of an answer.

    Args:
        request: what was asked.
        has_more: whether there are further pages.
        n_found: on all pages together; None where that is not known.
        warnings: from :func:`warn`.
    """
    query = f"?{request.url.query}" if request.url.query else ""
    described = {
        "query": {"representation": f"{_BASE.sub('', request.url.path)}{query}"},
        "api_version": API_VERSION,
        "schema": f"{str(request.base_url).rstrip('/')}/openapi.json",
        "time_stamp": datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        "more_data_available": has_more,
        "provider": _PROVIDER,
        "implementation": {"name": "rmatch", "version": version("rmatch")},
    }
    if n_found is not None:
        described["data_returned"] = n_found
    if warnings:
        described["warnings"] = list(warnings)
    return described


def warn(foreign: Iterable[str]) -> list[Json]:
    """A warning for each property of another database: it is unknown here."""
    return [
        {
            "type": "warning",
            "id": str(number),
            "code": f"{PREFIX}unknown_property",
            "title": "Unknown property",
            "detail": f"{name[:80]} is no property of this database; it is unknown of every structure.",
        }
        for number, name in enumerate(dict.fromkeys(foreign))
    ]


def write_entry(view: StructureView, names: Iterable[str]) -> Json:
    """A structure with the properties of these names, null where they are unknown."""
    attributes = {
        name: PROPERTIES[name].read(view) if name in PROPERTIES else None
        for name in names
        if name not in ("id", "type")
    }
    return {"id": view.id, "type": "structures", "attributes": attributes}
