"""The client's own answers and options are those of the OpenAPI document."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, get_args

import pytest

from rm_client import calls
from rm_client.answers import Page, Problem
from rm_client.calls import Call, GenerateOptions, StructureFilters, TrainOptions

DOCUMENT = json.loads((Path(__file__).parents[2] / "docs" / "openapi.json").read_text())
SCHEMAS = DOCUMENT["components"]["schemas"]
CALLS: list[Call[Any]] = [
    calls.generate("C", {}, None),
    calls.get_job("1"),
    calls.cancel_job("1"),
    calls.list_jobs("queued"),
    calls.list_structures({}),
    calls.list_points({}),
    calls.get_structure("1"),
    calls.list_models(),
    calls.get_model("1"),
    calls.train("mine", [], {}, None),
    calls.get_curve("1"),
    calls.upload_model("1", b""),
    calls.list_references("C"),
    calls.add_references("a", "b", "cif", "c"),
]
SAID_OTHERWISE = {"title", "description", "examples", "default", "readOnly"}


def plain(schema: Any, definitions: dict[str, Any]) -> Any:
    """A schema without names and words, with what it refers to in its place."""
    if isinstance(schema, list):
        return sorted((plain(item, definitions) for item in schema), key=lambda item: json.dumps(item, sort_keys=True))
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return plain(definitions[schema["$ref"].rpartition("/")[2]], definitions)
    return {
        key: {name: plain(item, definitions) for name, item in value.items()}
        if key == "properties"
        else plain(value, definitions)
        for key, value in schema.items()
        if key not in SAID_OTHERWISE and key != "$defs"
    }


def fields(answer: type[Any]) -> dict[str, Any]:
    """What the client reads an answer as."""
    schema = answer.model_json_schema(mode="serialization")
    return plain(schema, schema.get("$defs", {}))["properties"]


def operation(call: Call[Any]) -> dict[str, Any]:
    """What the document says of a call."""
    for path, methods in DOCUMENT["paths"].items():
        if re.fullmatch(re.sub(r"\{\w+\}", "1", path), call.path) and call.method.lower() in methods:
            return methods[call.method.lower()]
    raise AssertionError(f"{call.method} {call.path} is not in the document")


@pytest.mark.parametrize("call", CALLS, ids=lambda call: f"{call.method} {call.path}")
def test_answers_have_the_fields_of_the_document(call: Call[Any]) -> None:
    responses = operation(call)["responses"]
    (status,) = (status for status in responses if status.startswith("2"))
    expected = plain(responses[status]["content"]["application/json"]["schema"], SCHEMAS)["properties"]
    ours = fields(call.answer)
    if issubclass(call.answer, Page) and expected["next"] == {"type": "null"}:
        del ours["next"], expected["next"]  # a list that never has a second page
    assert ours == expected


def test_problems_have_the_fields_of_the_document() -> None:
    assert fields(Problem) == plain(SCHEMAS["Problem"], SCHEMAS)["properties"]


def test_requests_take_the_fields_of_the_document() -> None:
    assert set(GenerateOptions.__annotations__) == set(SCHEMAS["GenerateRequest"]["properties"]) - {"composition"}
    for call in (calls.list_structures({}), calls.list_points({})):
        names = {parameter["name"] for parameter in operation(call)["parameters"]} - {"limit", "cursor"}
        assert set(StructureFilters.__annotations__) == names
    body = calls.add_references("a", "b", "cif", "c").options["json"]
    fields_of_upload = SCHEMAS["ReferenceUpload"]["properties"]
    assert set(body) == set(fields_of_upload)
    train = calls.train("mine", [], {}, None).options["json"]
    assert set(train) | set(TrainOptions.__annotations__) == set(SCHEMAS["TrainRequest"]["properties"])
    assert set(get_args(calls.FileFormat)) == set(fields_of_upload["format"]["enum"])


def test_importing_the_client_is_light() -> None:
    heavy = {"ase", "pymatgen", "pandas", "numpy", "torch", "service", "rm_engine"}
    code = f"import sys, rm_client; print(sorted({heavy!r} & sys.modules.keys()))"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"
