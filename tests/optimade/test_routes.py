"""Pages, orders, fields and errors under /optimade."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from fastapi.testclient import TestClient

from service.main import create_app
from service.optimade import routes
from service.optimade.catalog import PROPERTIES
from service.settings import Settings

STRUCTURES = "/optimade/v1/structures"


@pytest.fixture(scope="module")
def client(filled_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    settings = Settings(
        data_dir=tmp_path_factory.mktemp("data"),
        database_url=filled_url,
        prepare_database=False,
        keys="off",
        max_page_size=120,
    )
    with TestClient(create_app(settings), "http://localhost", raise_server_exceptions=False) as client:
        yield client


def read(client: TestClient, path: str) -> Any:
    answer = client.get(path)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/vnd.api+json"
    return answer.json()


def pages(client: TestClient, path: str) -> Iterator[Any]:
    while path:
        page = read(client, path)
        yield page
        assert page["meta"]["more_data_available"] == (page["links"]["next"] is not None)
        path = page["links"]["next"]


def all_of(client: TestClient, query: str) -> list[dict[str, Any]]:
    return [entry for page in pages(client, f"{STRUCTURES}?{query}") for entry in page["data"]]


def test_pages_follow_on_one_another(client: TestClient) -> None:
    found = list(pages(client, f"{STRUCTURES}?page_limit=100&response_fields=nsites"))
    assert [len(page["data"]) for page in found] == [100, 100, 86]
    assert {page["meta"]["data_returned"] for page in found} == {286}
    ids = [entry["id"] for page in found for entry in page["data"]]
    assert ids == sorted(set(ids))
    assert found[0]["links"]["next"].startswith("http://localhost/optimade/v1/structures?")
    assert len(read(client, f"{STRUCTURES}?page_limit=100000")["data"]) == 120, "as many as the operator allows"


@pytest.mark.parametrize("name", ["id", "_rmatch_ranking_energy_per_atom", "_rmatch_energy_above_hull"])
@pytest.mark.parametrize("sign", ["", "-"])
def test_orders(client: TestClient, name: str, sign: str) -> None:
    """What has no value comes last, whichever way."""
    entries = all_of(client, f"sort={sign}{name}&page_limit=90&response_fields={name}&filter=nelements>1")
    values = [entry["id"] if name == "id" else entry["attributes"][name] for entry in entries]
    known = [value for value in values if value is not None]
    assert known == sorted(known, reverse=sign == "-")
    assert values == known + [None] * (len(values) - len(known))
    assert len({entry["id"] for entry in entries}) == len(all_of(client, "filter=nelements>1"))
    assert (None in values) == (name == "_rmatch_energy_above_hull")


def test_an_entry_has_what_was_asked_for(client: TestClient) -> None:
    (entry,) = read(client, f"{STRUCTURES}?page_limit=1")["data"]
    assert set(entry["attributes"]) == set(PROPERTIES) - {"id", "type"}
    path = f"{STRUCTURES}/{entry['id']}"
    assert read(client, path)["data"] == entry, "the same alone"
    for base in ("/optimade", "/optimade/v1.2"):
        assert read(client, f"{base}/structures/{entry['id']}")["data"] == entry
    asked = "nsites, id,assemblies,_exmpl_gap,_rmatch_model"
    for answer in (
        read(client, f"{path}?response_fields={asked}"),
        read(client, f"{STRUCTURES}?response_fields={asked}"),
    ):
        one = answer["data"] if isinstance(answer["data"], dict) else answer["data"][0]
        assert list(one["attributes"]) == ["nsites", "assemblies", "_exmpl_gap", "_rmatch_model"]
        assert (one["attributes"]["assemblies"], one["attributes"]["_exmpl_gap"]) == (None, None)
        assert ["_exmpl_gap" in warning["detail"] for warning in answer["meta"]["warnings"]] == [True]
    assert read(client, f"{path}?response_fields=")["data"]["attributes"] == {}


def test_a_molecule_has_no_lattice(client: TestClient) -> None:
    for entry in all_of(client, 'filter=chemical_formula_hill="C2H6O"'):
        found = entry["attributes"]
        assert found["lattice_vectors"] == [[None] * 3] * 3
        assert (found["nperiodic_dimensions"], found["dimension_types"]) == (0, [0, 0, 0])
        assert found["chemical_formula_descriptive"] == "C2OH6"
        assert [species["name"] for species in found["species"]] == ["C", "O", "H"]
        assert (found["chemical_formula_anonymous"], found["nsites"]) == ("A6B2C", 9)


def test_answers_say_what_was_asked_and_who_answers(client: TestClient) -> None:
    filter_ = 'elements HAS "Na" OR _exmpl_x=1 OR _exmpl_x=2'
    meta = read(client, f"{STRUCTURES}?filter={quote(filter_)}")["meta"]
    assert meta["query"]["representation"] == f"/structures?filter={quote(filter_)}"
    assert (meta["provider"]["prefix"], meta["api_version"]) == ("rmatch", "1.2.0")
    assert client.get(meta["schema"]).json()["openapi"]
    assert [warning["type"] for warning in meta["warnings"]] == ["warning"], "once for each property"
    assert client.get("/optimade/versions").text == "version\n1\n"


def test_counting_is_bounded(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows that are looked at are counted, not only those that pass."""
    query = f"{STRUCTURES}?page_limit=1&filter=nsites=2"
    assert "data_returned" in read(client, query)["meta"]
    monkeypatch.setattr(routes, "_MAX_COUNTED", 285)
    assert "data_returned" not in read(client, query)["meta"]
    monkeypatch.setattr(routes, "_MAX_COUNTED", 286)
    assert "data_returned" in read(client, query)["meta"]


@pytest.mark.parametrize(
    ("path", "status", "code", "parameter"),
    [
        (f"{STRUCTURES}?filter=nelements=", 400, "invalid_filter", "filter"),
        (f"{STRUCTURES}?filter=crazyfield=2", 400, "unknown_property", "filter"),
        (f"{STRUCTURES}?filter=nelements=nsites", 501, "not_implemented", None),
        (f"{STRUCTURES}?filter={'x' * 5000}", 400, "invalid_value", "filter"),
        (f"{STRUCTURES}?response_fields=crazyfield", 400, "unknown_property", "response_fields"),
        (f"{STRUCTURES}?response_format=xml", 400, "invalid_value", "response_format"),
        (f"{STRUCTURES}?include=calculations", 400, "invalid_value", "include"),
        (f"{STRUCTURES}?page_limit=0", 400, "out_of_range", "page_limit"),
        (f"{STRUCTURES}?page_limit=many", 400, "invalid_value", "page_limit"),
        (f"{STRUCTURES}?page_offset=10", 501, "not_implemented", None),
        (f"{STRUCTURES}?page_cursor=x", 400, "invalid_cursor", "cursor"),
        (f"{STRUCTURES}?sort=nelements", 400, "invalid_value", "sort"),
        (f"{STRUCTURES}?sort=--id", 400, "invalid_value", "sort"),
        (f"{STRUCTURES}?sort=id,nsites", 400, "invalid_value", "sort"),
        (f"{STRUCTURES}/{'0' * 26}-00000", 404, "unknown_structure", None),
        (f"{STRUCTURES}/x", 404, "unknown_structure", None),
        ("/optimade/v1/calculations", 404, "not_found", None),
        ("/optimade/v1/versions", 404, "not_found", None),
        ("/optimade/nothing", 404, "not_found", None),
        ("/optimade/v2/info", 553, "version_not_supported", None),
        ("/optimade/v1.9/structures", 553, "version_not_supported", None),
    ],
)
def test_errors_are_those_of_optimade(
    client: TestClient, path: str, status: int, code: str, parameter: str | None
) -> None:
    answer = client.get(path)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/vnd.api+json")
    content = answer.json()
    assert "data" not in content
    assert content["meta"]["api_version"] == "1.2.0"
    (error,) = content["errors"]
    assert (error["status"], error["code"], error.get("source")) == (
        str(status),
        code,
        parameter and {"parameter": parameter},
    )
    assert error["detail"]


def test_only_reading_is_allowed(client: TestClient) -> None:
    answer = client.post(STRUCTURES)
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET")
    assert answer.json()["errors"][0]["code"] == "method_not_allowed"


def test_a_database_that_is_down_is_said_so_in_the_same_form(tmp_path: Path) -> None:
    url = "postgresql://someone@127.0.0.1:1/none"
    app = create_app(Settings(data_dir=tmp_path, database_url=url, prepare_database=False, keys="off"))
    with TestClient(app, "http://localhost", raise_server_exceptions=False) as client:
        answer = client.get(STRUCTURES)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert answer.json()["errors"][0]["code"] == "database_unavailable"
