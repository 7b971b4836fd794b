"""The OpenAPI document: complete, current, and true to what the sources can answer."""

from __future__ import annotations

import ast
import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
from jsonschema_rs import validator_for

from service.api.catalog import PROBLEMS
from service.openapi import write_document

ROOT = Path(__file__).parents[2]
SOURCES = [
    path for folder in ("service", "rm_engine/spec", "rm_engine/files") for path in (ROOT / folder).rglob("*.py")
] + [ROOT / "rm_engine" / "errors.py"]
METHODS = {"get", "post", "delete"}


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    document: dict[str, Any] = json.loads(write_document())
    return document


def operations(document: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    return [(f"{m} {path}", item[m]) for path, item in document["paths"].items() for m in item if m in METHODS]


def test_the_one_that_is_committed_is_current(document: dict[str, Any]) -> None:
    committed = json.loads((ROOT / "docs" / "openapi.json").read_text(encoding="utf-8"))
    assert committed == document, "run `make openapi`"


def find_codes() -> dict[int, set[str]]:
    """Codes that stand in the sources, by status: those of errors, of problem documents, and of tables of codes."""
    found: dict[int, set[str]] = defaultdict(set)
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            name = ast.unparse(node.func).rpartition(".")[2]
            arguments = [getattr(argument, "value", None) for argument in node.args] or [None]
            if name == "problem_response" and isinstance(arguments[1], str):
                found[arguments[0]].add(arguments[1])
            elif name in ("InputError", "_unparsable") and isinstance(arguments[0], str):
                found[422].add("unparsable_formula" if name == "_unparsable" else arguments[0])
            elif name == "NotFoundError" and isinstance(arguments[0], str) and arguments[0] != "key":
                found[404].add(f"unknown_{arguments[0]}")
    return found


def test_the_catalogue_is_what_the_sources_say() -> None:
    from service.api import problems  # noqa: PLC0415  its tables

    found = find_codes()
    found.pop(500)
    for status, code in problems._HTTP_CODES.items():
        found[status].add(code)
    for code, _ in [*problems._CODES.values(), problems._ANY_OTHER]:
        found[400 if code == "malformed_json" else 422].add(code)
    found[422] |= {
        "unreadable_structure_file",
        "structure_file_too_large",
    }  # said by `FileFormatError`, and the sandbox
    assert {status: set(codes) for status, codes in PROBLEMS.items()} == dict(found)


def test_every_status_is_described(document: dict[str, Any]) -> None:
    for name, operation in operations(document):
        assert operation["description"], name
        for status, response in operation["responses"].items():
            if int(status) >= 400 and "$ref" in response:
                kind = "Optimade" if "/optimade/" in name else "Problem"
                assert response["$ref"] == f"#/components/responses/{kind}{status}", name
    for status, codes in PROBLEMS.items():
        content = document["components"]["responses"][f"Problem{status}"]["content"]
        assert set(content) == {"application/problem+json"}
        assert set(content["application/problem+json"]["examples"]) == set(codes)


@pytest.mark.parametrize(
    ("operation", "statuses"),
    [
        ("post /generate", "202 400 401 403 408 413 422 429 503"),
        ("delete /jobs/{job_id}", "200 401 403 404 409 503"),
        ("get /structures/{structure_id}", "200 401 403 404 406 422 503"),
        ("post /references", "201 400 401 403 408 413 422 503"),
        ("get /models", "200 401 403 503"),
        ("get /healthz", "200 403"),
        ("get /optimade/v1/structures", "200 400 401 403 501 503"),
        ("get /optimade/v1/structures/{structure_id}", "200 400 401 403 404 503"),
    ],
)
def test_the_statuses_of_a_route(document: dict[str, Any], operation: str, statuses: str) -> None:
    assert list(dict(operations(document))[operation]["responses"]) == statuses.split()


def test_headers_are_documented(document: dict[str, Any]) -> None:
    responses = document["components"]["responses"]
    assert responses["Problem401"]["headers"]["WWW-Authenticate"]["required"]
    assert responses["Problem429"]["headers"]["Retry-After"]["required"]
    assert responses["Problem503"]["headers"]["Retry-After"]["required"]
    generate = document["paths"]["/generate"]["post"]["responses"]["202"]
    assert set(generate["headers"]) == {"Location", "X-Request-ID"}
    assert set(generate["links"]) == {"get_job", "follow_job", "delete_job", "list_structures"}


def test_examples_are_what_they_are_examples_of(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    n_examples = 0
    for name, schema in schemas.items():
        validator = validator_for({**schema, "components": document["components"]})
        for example in schema.get("examples", []):
            assert not [error.message for error in validator.iter_errors(example)], name
            n_examples += 1
    assert n_examples > 8
    for _, operation in operations(document):
        body = operation.get("requestBody")
        if body:
            name = body["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
            assert schemas[name]["examples"]
