"""The OpenAPI document: complete, current, and true to what the sources can answer."""

from __future__ import annotations

import ast
import json
import re
from collections import defaultdict
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import ase.io
import pytest
from jsonschema_rs import validator_for
from pymatgen.core import Structure

from service.api.catalog import PROBLEMS
from service.openapi import write_document

ROOT = Path(__file__).parents[2]
SOURCES = [
    path for folder in ("service", "rm_engine/spec", "rm_engine/files") for path in (ROOT / folder).rglob("*.py")
] + [ROOT / "rm_engine" / "errors.py"]
METHODS = {"get", "post", "put", "delete"}


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
        assert operation["summary"], name
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
        ("get /structures/export", "200 401 403 422 503"),
        ("post /references", "201 400 401 403 408 413 422 503"),
        ("get /models", "200 401 403 503"),
        ("post /models", "202 400 401 403 408 409 413 422 429 503"),
        ("put /models/{name}", "201 400 401 403 404 408 409 413 422 503"),
        ("delete /models/{name}", "204 401 403 404 409 503"),
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


def is_real(schema: dict[str, Any]) -> bool:
    """Whether what it describes is made of numbers that are no counts: quantities, which have units."""
    parts = [*schema.get("anyOf", ()), *schema.get("prefixItems", ())]
    parts += [part for part in (schema.get("items"), schema.get("additionalProperties")) if isinstance(part, dict)]
    return schema.get("type") == "number" or any(map(is_real, parts))


UNITS = re.compile(r"Å|eV/atom|no unit|`energy_kind`|pseudo units|units of|From 0 to 1\.|[Ss]hare|seconds|g/cm³|\beV\b")


def test_every_parameter_and_property_says_what_it_is_and_in_which_unit(document: dict[str, Any]) -> None:
    described = {
        f"{schema_name}.{name}": value | {"schema": value}
        for schema_name, schema in document["components"]["schemas"].items()
        for name, value in schema.get("properties", {}).items()
    }
    for operation_name, operation in operations(document):
        described |= {f"{operation_name} {each['name']}": each for each in operation.get("parameters", ())}
    for response in document["components"]["responses"].values():
        described |= response["headers"]
    assert not [name for name, each in described.items() if not each.get("description")]
    quantities = {name: each["description"] for name, each in described.items() if is_real(each["schema"])}
    assert len(quantities) > 15
    assert not {name: text for name, text in quantities.items() if not UNITS.search(text)}


def contents(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Everything that is sent, either way: where, its media type, its description."""
    for name, operation in operations(document):
        parts = {"body": operation["requestBody"]} if "requestBody" in operation else {}
        for place, part in (parts | operation["responses"]).items():
            reference = part.get("$ref", "").rpartition("/")[2]
            sent = document["components"]["responses"][reference] if reference else part
            for media_type, content in sent.get("content", {}).items():
                yield f"{name} {place}", media_type, content


def test_all_that_is_sent_has_an_example_that_is_one(document: dict[str, Any]) -> None:
    for place, media_type, content in contents(document):
        schema = content.get("schema", {})
        if schema.get("format") == "binary":  # a zip, a database
            continue
        named = document["components"]["schemas"].get(schema.get("$ref", "").rpartition("/")[2], {})
        examples = named.get("examples", [each["value"] for each in content.get("examples", {}).values()])
        examples += [content["example"]] if "example" in content else []
        assert examples, (place, media_type)
        validator = validator_for({**schema, "components": document["components"]})
        for example in examples:
            assert not [error.message for error in validator.iter_errors(example)], (place, media_type)


@pytest.mark.parametrize(
    ("media_type", "form", "formula"),
    [
        ("chemical/x-cif", "cif", "Li2S"),
        ("chemical/x-vasp-poscar", "vasp", "Li2S"),
        ("chemical/x-xyz", "extxyz", "Li2S"),
        ("chemical/x-mdl-sdfile", "sdf", "H2O"),
        ("application/vnd.pymatgen+json", "pymatgen", "Li2S"),
    ],
)
def test_examples_of_files_are_read(document: dict[str, Any], media_type: str, form: str, formula: str) -> None:
    content = document["paths"]["/structures/{structure_id}"]["get"]["responses"]["200"]["content"][media_type]
    example = content["example"]
    if form == "pymatgen":
        assert Structure.from_dict(example).reduced_formula == formula
    else:
        assert ase.io.read(StringIO(example), format=form).get_chemical_formula("metal") == formula


def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    for reference in set(re.findall(r'"\$ref": "#/components/(\w+/\w+)"', json.dumps(document))):
        kind, name = reference.split("/")
        assert name in document["components"][kind]
