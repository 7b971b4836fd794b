"""POST /generate and /jobs: what is accepted, what is refused and how."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from databases import lis2, run_job
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from rm_engine.spec import ModelCard
from rm_engine.spec.generation import DEFAULT_MODEL, DEFAULT_MOLECULE_MODEL
from service.api.requests import GenerateRequest
from service.jobs import claim_chunk, list_due_chunks
from service.main import create_app
from service.settings import Settings
from service.store import Store

JSON = {"content-type": "application/json"}
LIS2 = {"composition": "LiS2", "model": "toy"}
SHEET: dict[str, Any] = {
    "numbers": [16, 16],
    "positions": [[0, 0, 7.5], [0, 1.42, 7.5]],
    "cell": [[2.46, 0, 0], [1.23, 2.13, 0], [0, 0, 15]],
    "periodic": [True, True, False],
}


def test_a_job_is_queued(client: TestClient, store: Store, settings: Settings) -> None:
    response = client.post("/generate", json={**LIS2, "n": 30, "seed": 7})
    job = response.json()
    assert response.status_code == 202
    assert response.headers["location"] == f"/jobs/{job['id']}" == job["links"]["self"]
    assert (job["state"], job["progress"], job["error"]) == ("queued", 0.0, None)
    assert (job["spec"]["composition"], job["spec"]["n"], job["spec"]["seed"]) == ("LiS2", 30, 7)
    assert job["counts"]["requested"] == 30
    assert client.get(response.headers["location"]).json() == job
    (message,) = (settings.queue_dir / "messages").iterdir()
    assert list_due_chunks(store) == [], "it was announced"
    assert message.stat().st_size < 5000


def test_a_seed_is_drawn_and_reported(client: TestClient) -> None:
    seeds = {client.post("/generate", json=LIS2).json()["spec"]["seed"] for _ in range(3)}
    assert len(seeds) == 3


@pytest.mark.parametrize(("boundary", "model"), [("crystal", DEFAULT_MODEL), ("molecule", DEFAULT_MOLECULE_MODEL)])
def test_a_run_without_a_model_gets_the_one_for_its_boundary(
    client: TestClient, settings: Settings, boundary: str, model: str
) -> None:
    folder = settings.model_directories[0]
    card = ModelCard.from_json((folder / "toy.json").read_text())
    (folder / f"{model}.json").write_text(replace(card, name=model).to_json())
    response = client.post("/generate", json={"composition": "LiS2", "boundary": boundary})
    assert response.json()["spec"]["model"] == model


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"formula_units": 3}, {"formula_units": [3]}),
        ({"formula_units": [2, 4]}, {"formula_units": [2, 3, 4]}),
        ({"boundary": "molecule"}, {"periodic": [False, False, False]}),
        (
            {"boundary": {"periodic": [True, True, False]}, "cell": [[4, 0, 0], [0, 4, 0], [0, 0, 20]]},
            {"periodic": [True, True, False], "cell": [[4, 0, 0], [0, 4, 0], [0, 0, 20]]},
        ),
        ({"cell": [[4, 0, 0], [0, 4, 0], [0, 0, 4]], "fixed_cell": True}, {"fixed_cell": True}),
        ({"separations": {"Li-S": 2, "S-S": 3}}, {"separations": {"Li-S": 2, "S-S": 3}}),
        ({"layer": [8, 10], "seed_structure": SHEET}, {"layer": [8, 10], "fixed_cell": True}),
        ({"pressure": 0.03}, {"pressure": 0.03}),
        ({"volume_per_atom": [15, 25]}, {"volume_per_atom": [15, 25]}),
        ({"starts": {"wyckoff": 2, "random": 1}}, {"starts": {"references": 0, "wyckoff": 2, "random": 1}}),
        ({"starts": None}, {"starts": None}),
        ({"min_distance": 1.5, "fmax": 0.05, "max_steps": 10, "match": False}, {"min_distance": 1.5, "match": False}),
    ],
)
def test_every_field_reaches_the_run(client: TestClient, fields: dict[str, Any], expected: dict[str, Any]) -> None:
    response = client.post("/generate", json={**LIS2, **fields})
    assert response.status_code == 202, response.text
    spec = response.json()["spec"]
    assert {name: spec[name] for name in expected} == expected


def test_a_chemical_system_is_shared_among_its_formulas(client: TestClient) -> None:
    usual, asked = (client.post("/generate", json={"composition": "S-Li", "n": n}) for n in (None, 20))
    for response, n in ((usual, 200), (asked, 20)):
        assert response.status_code == 202, response.text
        job = response.json()
        assert job["counts"]["requested"] == job["spec"]["n"] == n == sum(share["n"] for share in job["formulas"])
        assert job["formulas"][0]["formula"] == "Li2S"
    assert len(usual.json()["formulas"]) > len(asked.json()["formulas"])
    listed = client.get("/jobs").json()["items"]
    assert [job["formulas"] for job in listed] == [asked.json()["formulas"], usual.json()["formulas"]]


def test_atoms_are_added_to_a_seed_structure(client: TestClient) -> None:
    response = client.post("/generate", json={**LIS2, "seed_structure": SHEET, "relax_seed": True})
    assert response.status_code == 202, response.text
    job = response.json()
    assert job["spec"]["seed_structure"] == SHEET
    assert (job["spec"]["cell"], job["spec"]["periodic"]) == (SHEET["cell"], SHEET["periodic"])
    assert [part["formula"] for part in job["formulas"]] == ["LiS4"]


BAD: list[tuple[dict[str, Any], str, str]] = [
    ({"composition": "LiXx2"}, "unknown_element", "composition"),
    ({"composition": ""}, "empty_formula", "composition"),
    ({"composition": "Li2("}, "unparsable_formula", "composition"),
    ({"composition": "Li\x002"}, "unparsable_formula", "composition"),
    ({"composition": "HHeLiBeBCNOF"}, "too_many_elements", "composition"),
    ({"composition": "Li99S99P99"}, "too_many_atoms", "composition"),
    ({"composition": "Li99999999"}, "unparsable_formula", "composition"),
    ({"composition": "Li" * 101}, "formula_too_long", "composition"),
    ({"composition": "NaCl"}, "element_not_in_model", "composition"),
    ({"composition": 7}, "invalid_value", "composition"),
    ({"formula_units": 100}, "too_many_atoms", "formula_units"),
    ({"formula_units": [4, 2]}, "out_of_range", "formula_units"),
    ({"formula_units": "2"}, "invalid_value", "formula_units"),
    ({"n": 0}, "out_of_range", "n"),
    ({"n": 10_001}, "out_of_range", "n"),
    ({"n": True}, "invalid_value", "n"),
    ({"composition": "Li-"}, "unparsable_system", "composition"),
    ({"composition": "Li-S2"}, "unparsable_system", "composition"),
    ({"composition": "Li-Xx"}, "unknown_element", "composition"),
    ({"composition": "Li-Na-K-Rb-Cs"}, "too_many_elements", "composition"),
    ({"composition": "Na-Cl"}, "element_not_in_model", "composition"),
    ({"composition": "Li-S", "boundary": "molecule"}, "conflicting_fields", "composition"),
    ({"composition": "Li-S", "formula_units": 2}, "conflicting_fields", "formula_units"),
    ({"composition": "Li-S", "cell": [[4, 0, 0], [0, 4, 0], [0, 0, 4]]}, "conflicting_fields", "cell"),
    ({"seed": -1}, "out_of_range", "seed"),
    ({"volume_per_atom": [0, 0]}, "out_of_range", "volume_per_atom"),
    ({"volume_per_atom": [30, 20]}, "impossible_volume", "volume_per_atom"),
    ({"density": 0}, "out_of_range", "density"),
    ({"density": 1e999}, "invalid_value", "density"),
    ({"density": 2, "volume_per_atom": [10, 20]}, "conflicting_fields", "density"),
    ({"density": 2, "boundary": "molecule"}, "conflicting_fields", "density"),
    ({"density": 20, "min_distance": 3}, "impossible_separation", "min_distance"),
    ({"fixed_volume": True, "boundary": "molecule"}, "conflicting_fields", "fixed_volume"),
    ({"separations": {"Li-Xx": 2}}, "unknown_element", "separations"),
    ({"separations": {"Li": 2}}, "unknown_element", "separations"),
    ({"separations": {"Li-O": 2}}, "conflicting_fields", "separations"),
    ({"separations": {"Li-S": 0}}, "out_of_range", "separations"),
    ({"separations": {"Li-S": "far"}}, "invalid_value", "separations"),
    ({"separations": [2]}, "invalid_value", "separations"),
    ({"layer": [3, 6]}, "conflicting_fields", "layer"),
    ({"layer": [3, 6], "boundary": "molecule"}, "conflicting_fields", "layer"),
    ({"layer": [6, 16], "seed_structure": SHEET}, "out_of_range", "layer"),
    ({"layer": [6, 3], "seed_structure": SHEET}, "out_of_range", "layer"),
    ({"layer": [3], "seed_structure": SHEET}, "invalid_value", "layer"),
    ({"seed_structure": {**SHEET, "numbers": [16]}}, "conflicting_fields", "seed_structure"),
    ({"seed_structure": {**SHEET, "numbers": [16, 119]}}, "out_of_range", "seed_structure"),
    ({"seed_structure": {**SHEET, "numbers": [16, 7]}}, "element_not_in_model", "composition"),
    ({"seed_structure": {**SHEET, "positions": []}}, "invalid_value", "seed_structure"),
    ({"seed_structure": {**SHEET, "cell": [[0] * 3] * 3}}, "impossible_cell", "cell"),
    ({"seed_structure": SHEET, "boundary": "molecule"}, "conflicting_fields", "seed_structure"),
    ({"seed_structure": SHEET, "cell": [[4, 0, 0], [0, 4, 0], [0, 0, 4]]}, "conflicting_fields", "cell"),
    ({"seed_structure": SHEET, "swaps": 1}, "conflicting_fields", "swaps"),
    ({"seed_structure": SHEET, "formula_units": 2}, "conflicting_fields", "formula_units"),
    ({"seed_structure": SHEET, "pressure": 0.1}, "conflicting_fields", "pressure"),
    ({"seed_structure": SHEET, "composition": "Li-S"}, "conflicting_fields", "composition"),
    ({"relax_seed": True}, "conflicting_fields", "relax_seed"),
    ({"pressure": -0.1}, "out_of_range", "pressure"),
    ({"pressure": 0.4}, "out_of_range", "pressure"),
    ({"pressure": 1e999}, "invalid_value", "pressure"),
    ({"pressure": 0.1, "boundary": "molecule"}, "conflicting_fields", "pressure"),
    ({"pressure": 0.1, "fixed_volume": True}, "conflicting_fields", "pressure"),
    ({"min_distance": 9}, "impossible_separation", "min_distance"),
    ({"cell": [[4, 0, 0], [4, 0, 0], [0, 0, 4]]}, "impossible_cell", "cell"),
    ({"boundary": {"periodic": [True, True, False]}}, "cell_required", "cell"),
    ({"boundary": "slab"}, "invalid_value", "boundary"),
    ({"fixed_cell": True}, "cell_required", "cell"),
    ({"model": "gpt"}, "unknown_model", "model"),
    ({"model": "../toy"}, "unknown_model", "model"),
    ({"fmax": 0}, "out_of_range", "fmax"),
    ({"fmax": 1e999}, "invalid_value", "fmax"),
    ({"max_steps": 10**9}, "out_of_range", "max_steps"),
    ({"starts": {"random": -1}}, "out_of_range", "starts"),
    ({"starts": {"random": 1001}}, "out_of_range", "starts"),
    ({"starts": {"random": 1e999}}, "invalid_value", "starts"),
    ({"starts": {"random": 0}}, "out_of_range", "starts"),
    ({"starts": {}}, "out_of_range", "starts"),
    ({"starts": {"guess": 1}}, "unknown_field", "starts"),
    ({"starts": {"references": 1}, "boundary": "molecule"}, "conflicting_fields", "starts"),
    ({"space_groups": ["Fm-3x"]}, "unknown_space_group", "space_groups"),
    ({"space_groups": "9" * 20}, "unknown_space_group", "space_groups"),
    ({"space_groups": [225, 231]}, "unknown_space_group", "space_groups"),
    ({"space_groups": 0}, "unknown_space_group", "space_groups"),
    ({"space_groups": []}, "out_of_range", "space_groups"),
    ({"space_groups": [1] * 231}, "out_of_range", "space_groups"),
    ({"space_groups": [True]}, "invalid_value", "space_groups"),
    ({"space_groups": "auto", "boundary": "molecule"}, "conflicting_fields", "space_groups"),
    ({"swaps": 101}, "out_of_range", "swaps"),
    ({"swaps": 1, "space_groups": "auto"}, "conflicting_fields", "swaps"),
    ({"swaps": 1, "boundary": "molecule"}, "conflicting_fields", "swaps"),
    ({"hops": 101}, "out_of_range", "hops"),
    ({"hops": 1, "space_groups": "auto"}, "conflicting_fields", "hops"),
    ({"generations": 21}, "out_of_range", "generations"),
    ({"generations": 1, "boundary": "molecule"}, "conflicting_fields", "generations"),
    ({"annealing": 10_001}, "out_of_range", "annealing"),
    ({"annealing": 1, "space_groups": "auto"}, "conflicting_fields", "annealing"),
    ({"optimizer": "newton"}, "invalid_value", "optimizer"),
    ({"target": {"hardness": [1, 2]}}, "unknown_field", "target"),
    ({"target": {"band_gap": [2, 1]}}, "out_of_range", "target"),
    ({"target": {"band_gap": [1]}}, "invalid_value", "target"),
    ({"target": {"band_gap": [1, 2]}, "boundary": "molecule"}, "conflicting_fields", "target"),
    ({"target": {"formation_energy": [-2, -1]}, "model": "mp20"}, "no_such_estimate", "target"),
    ({"compositon": "LiS2"}, "unknown_field", "compositon"),
]


@pytest.mark.parametrize(
    ("given", "stored"), [("auto", ["auto"]), (225.0, [225]), (["cubic", 62, "P6_3/mmc"], ["cubic", 62, "P6_3/mmc"])]
)
def test_space_groups_are_one_or_a_list(client: TestClient, given: Any, stored: list[Any]) -> None:
    response = client.post("/generate", json={**LIS2, "space_groups": given})
    assert response.status_code == 202, response.text
    assert response.json()["spec"]["space_groups"] == stored


@pytest.mark.parametrize(
    ("given", "stored"),
    [({"band_gap": [1, 2.5]}, {"band_gap": [1, 2.5]}), ({}, None), ({"band_gap": None}, None)],
)
def test_a_target_names_properties(client: TestClient, given: Any, stored: Any) -> None:
    response = client.post("/generate", json={**LIS2, "target": given})
    assert response.status_code == 202, response.text
    assert response.json()["spec"]["target"] == stored


@pytest.mark.parametrize(("fields", "code", "field"), BAD)
def test_bad_input_is_refused_by_name_and_leaves_no_job(
    client: TestClient, fields: dict[str, Any], code: str, field: str
) -> None:
    response = client.post("/generate", content=json.dumps({**LIS2, **fields}), headers=JSON)
    problem = response.json()
    assert (response.status_code, problem["code"], problem["errors"][0]["field"]) == (422, code, field), problem
    assert response.headers["content-type"] == "application/problem+json"
    assert (problem["status"], problem["type"]) == (422, f"urn:rmatch:problem:{code}")
    assert problem["errors"][0]["reason"]
    assert problem["errors"][0]["hint"]
    assert len(problem["errors"][0]["value"]) <= 80
    assert client.get("/jobs").json()["items"] == []


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"{", 400, "malformed_json"),
        (b"\xff\xfe", 400, "malformed_json"),
        (b"[" * 50_000, 400, "malformed_json"),
        (b'{"composition": "LiS2", "n": ' + b"9" * 5000 + b"}", 400, "malformed_json"),
        (b"[]", 422, "invalid_value"),
        (b"null", 422, "invalid_value"),
        (b"", 422, "missing_field"),
        (b"{}", 422, "missing_field"),
        (b'{"composition": "\\ud800"}', 422, "unparsable_formula"),
        (b'{"composition": "LiS2", "model": "\\ud800"}', 422, "unknown_model"),
        (b'{"composition": "LiS2", "model": "toy", "fmax": NaN}', 422, "invalid_value"),
        (b'{"composition": "' + b"L" * 100_000 + b'"}', 413, "body_too_large"),
    ],
)
def test_bodies_that_are_no_request(client: TestClient, body: bytes, status: int, code: str) -> None:
    response = client.post("/generate", content=body, headers=JSON)
    assert (response.status_code, response.json()["code"]) == (status, code), response.text
    assert response.headers["content-type"] == "application/problem+json"
    assert client.get("/jobs").json()["items"] == []


ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(["Li", "toy", "molecule"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=12,
)


@given(st.dictionaries(st.sampled_from(sorted(GenerateRequest.model_fields)), ANY_JSON))
@hypothesis_settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_request_makes_the_service_fail(client: TestClient, fields: dict[str, Any]) -> None:
    response = client.post("/generate", content=json.dumps({**LIS2, "n": 1, **fields}), headers=JSON)
    assert response.status_code in (202, 422), response.text


def test_a_body_is_counted_while_it_streams(client: TestClient) -> None:
    chunks = (b" " * 1000 for _ in range(101))
    response = client.post("/generate", content=chunks, headers=JSON)
    assert "content-length" not in response.request.headers
    assert (response.status_code, response.json()["code"]) == (413, "body_too_large")


def test_a_broken_model_is_the_services_fault(client: TestClient, settings: Settings) -> None:
    assert settings.models_dir is not None
    Path(settings.models_dir, "broken.json").write_text("{}", encoding="utf-8")
    response = client.post("/generate", json={**LIS2, "model": "broken"})
    assert (response.status_code, response.json()["code"]) == (503, "unusable_model")


def test_a_job_is_accepted_while_the_broker_is_down(settings: Settings, store: Store) -> None:
    app = create_app(settings.model_copy(update={"broker_url": "redis://127.0.0.1:1/0"}))
    with TestClient(app, "http://localhost") as client:
        assert client.post("/generate", json=LIS2).status_code == 202
    assert len(list_due_chunks(store)) == 1, "the sweeper will announce it"


def test_jobs_are_listed_newest_first_in_pages(client: TestClient, store: Store) -> None:
    ids = [client.post("/generate", json=LIS2).json()["id"] for _ in range(5)]
    found, path = [], "/jobs?limit=2"
    while path:
        page = client.get(path).json()
        found += [job["id"] for job in page["items"]]
        path = page["next"]
    assert found == sorted(ids, reverse=True)
    assert client.get("/jobs?state=queued&limit=100").json()["next"] is None
    assert client.get("/jobs?state=running").json()["items"] == []


def test_a_running_job_is_cancelled(client: TestClient, store: Store) -> None:
    job_id = client.post("/generate", json=LIS2).json()["id"]
    assert claim_chunk(store, f"{job_id}-c00000", "w", 60) is not None
    assert client.get(f"/jobs/{job_id}").json()["state"] == "running"
    for _ in range(2):
        response = client.delete(f"/jobs/{job_id}")
        assert (response.status_code, response.json()["state"]) == (200, "cancelled")


def test_a_finished_job_cannot_be_cancelled(client: TestClient, store: Store) -> None:
    job_id = run_job(store, lis2(1), [-1.0])
    response = client.delete(f"/jobs/{job_id}")
    assert (response.status_code, response.json()["code"]) == (409, "job_finished")
    assert client.get(f"/jobs/{job_id}").json()["state"] == "succeeded"


@pytest.mark.parametrize("job_id", ["0" * 26, "nonsense", "%00", "%ff", "a" * 5000])
@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_an_unknown_job_is_not_found(client: TestClient, method: str, job_id: str) -> None:
    response = client.request(method, f"/jobs/{job_id}")
    assert (response.status_code, response.json()["code"]) == (404, "unknown_job")


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/jobs?state=lost", "invalid_value"),
        ("/jobs?limit=0", "out_of_range"),
        ("/jobs?limit=101", "out_of_range"),
        ("/jobs?limit=x", "invalid_value"),
        ("/jobs?cursor=x", "invalid_cursor"),
        ("/jobs?cursor=WyJcdTAwMDAiXQ", "invalid_cursor"),
    ],
)
def test_bad_parameters_of_the_list(client: TestClient, path: str, code: str) -> None:
    response = client.get(path)
    assert (response.status_code, response.json()["code"]) == (422, code)
