"""Errors under ``/optimade``: what is a problem document elsewhere is a JSON:API error here, and so in the document."""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import Any, Final

from fastapi import Request, Response

from service.api.contract import add_examples, add_schemas
from service.api.problems import Problem
from service.optimade.answers import MEDIA_TYPE, ROOT, SERVED, OptimadeResponse, describe
from service.optimade.examples import EXAMPLES
from service.optimade.schemas import OptimadeErrors

_VERSION: Final = re.compile(rf"{ROOT}/(v[0-9][^/]*)")
_STATUSES: Final = {422: 400}
"""OPTIMADE says 400 of any request that it cannot understand."""


def dress(request: Request, response: Response) -> Response:
    """A problem document as it is, or as an error of OPTIMADE where it was asked for."""
    path = request.url.path
    if path != ROOT and not path.startswith(f"{ROOT}/"):
        return response
    problem = Problem.model_validate_json(bytes(response.body))
    status = _STATUSES.get(problem.status, problem.status)
    if status != problem.status:
        problem.title = HTTPStatus(status).phrase
    found = _VERSION.match(path)
    if found and found[1] not in SERVED:
        status, problem.title = 553, "Version Not Supported"
        problem.code, problem.detail = "version_not_supported", f"Versions that are served: {', '.join(SERVED)}."
    kept = {name: value for name, value in response.headers.items() if not name.startswith("content-")}
    document = {"errors": _write(problem, status), "meta": describe(request)}
    return OptimadeResponse(document, status, kept)


def _write(problem: Problem, status: int) -> list[dict[str, Any]]:
    error = {"status": str(status), "code": problem.code, "title": problem.title, "detail": problem.detail}
    fields = [field.field for field in problem.errors]
    return [{**error, "source": {"parameter": name}} for name in fields] or [error]


def dress_document(document: dict[str, Any]) -> dict[str, Any]:
    """Say so in the OpenAPI document, with examples."""
    schemas = document["components"]["schemas"]
    add_schemas(schemas, OptimadeErrors)
    add_examples(schemas, EXAMPLES)
    components = document["components"]["responses"]
    schema = {"$ref": f"#/components/schemas/{OptimadeErrors.__name__}"}
    for path, operations in document["paths"].items():
        if not path.startswith(f"{ROOT}/"):
            continue
        for operation in operations.values():
            responses = operation["responses"]
            problems = [int(status) for status, response in responses.items() if "$ref" in response]
            for status in problems:
                described = components[responses.pop(str(status))["$ref"].rpartition("/")[2]]
                dressed = _STATUSES.get(status, status)
                # who is not of this machine is refused before it is looked where to
                undressed = described["content"] if status == 403 else {}
                components[f"Optimade{dressed}"] = {
                    **described,
                    "content": {MEDIA_TYPE: {"schema": schema}, **undressed},
                }
                responses[str(dressed)] = {"$ref": f"#/components/responses/Optimade{dressed}"}
            operation["responses"] = dict(sorted(responses.items()))
    return document
