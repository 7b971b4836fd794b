"""The OpenAPI document: what FastAPI finds in the routes, and the problems that follow from what a route takes.

A route whose problems do not follow from that names them: ``responses=may_answer(409)``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from service.api.catalog import PROBLEMS
from service.api.examples import EXAMPLES
from service.api.problems import MEDIA_TYPE, Problem

Json = dict[str, Any]

_OF_WHO_ASKS: Final = (401, 503)
_OF_A_BODY: Final = (400, 408, 413, 422)
_HEADERS: Final[dict[int, Json]] = {
    401: {"WWW-Authenticate": {"required": True, "schema": {"type": "string"}, "description": "`Bearer`."}},
    429: {"Retry-After": {"required": True, "schema": {"type": "integer"}, "description": "Seconds to wait."}},
    503: {"Retry-After": {"required": True, "schema": {"type": "integer"}, "description": "Seconds to wait."}},
}
_REQUEST_ID: Final[Json] = {
    "X-Request-ID": {
        "required": True,
        "schema": {"type": "string"},
        "description": "As the request had it, or a new one; it stands in the logs.",
    }
}


def may_answer(*statuses: int) -> dict[int | str, Json]:
    """The ``responses`` of a route that answers with problems of these statuses, beside those that all such have."""
    return {status: _reference(status) for status in statuses}


def complete(document: Json) -> Json:
    """Add the problems of every route to an OpenAPI document, and the headers of every answer."""
    for path, methods in document["paths"].items():
        for operation in methods.values():
            responses = operation["responses"]
            responses.pop("422", None)  # FastAPI's own, which our handlers replace
            for status in _find_problems(path, operation):
                responses.setdefault(str(status), _reference(status))
            for status, response in responses.items():
                if "$ref" not in response:
                    response["headers"] = _REQUEST_ID | _HEADERS.get(int(status), {}) | response.get("headers", {})
            operation["responses"] = dict(sorted(responses.items()))
    components = document["components"]
    components["responses"] = {_name(status): _describe(status) for status in PROBLEMS}
    schemas = components["schemas"]
    for name in [name for name in schemas if "ValidationError" in name]:
        del schemas[name]
    add_schemas(schemas, Problem)
    add_examples(schemas, EXAMPLES)
    return document


def add_schemas(schemas: Json, model: type[BaseModel]) -> None:
    """Add a model that answers with, and what it is made of, to the schemas of a document, in alphabetical order."""
    found = models_json_schema([(model, "serialization")], ref_template="#/components/schemas/{model}")[1]["$defs"]
    in_order = dict(sorted((schemas | found).items()))
    schemas.clear()
    schemas.update(in_order)


def add_examples(schemas: Json, examples: Mapping[str, Any]) -> None:
    """Add an example to each schema that is named."""
    for name, example in examples.items():
        schemas[name]["examples"] = [example]


def _find_problems(path: str, operation: Json) -> Iterator[int]:
    """The statuses of the problems that follow from what the operation takes."""
    yield 403  # where keys are off, whoever is not of this machine
    if operation.get("security"):
        yield from _OF_WHO_ASKS
    if "requestBody" in operation:
        yield from _OF_A_BODY
    if any(parameter["in"] != "path" for parameter in operation.get("parameters", ())):
        yield 422
    if "{" in path:
        yield 404


def _name(status: int) -> str:
    return f"Problem{status}"


def _reference(status: int) -> Json:
    return {"$ref": f"#/components/responses/{_name(status)}"}


def _describe(status: int) -> Json:
    """The response for all problems of a status, with an example of each."""
    codes = PROBLEMS[status]
    examples = {code: {"value": Problem.of(status, code, meaning).model_dump()} for code, meaning in codes.items()}
    schema = {"$ref": "#/components/schemas/Problem"}
    return {
        "description": "\n".join(f"- `{code}`: {meaning}" for code, meaning in codes.items()),
        "headers": _REQUEST_ID | _HEADERS.get(status, {}),
        "content": {MEDIA_TYPE: {"schema": schema, "examples": examples}},
    }
