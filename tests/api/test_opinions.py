"""``/opinions``: what another potential is asked about, and how structures show what it said."""

from __future__ import annotations

from typing import Any

import pytest
from databases import lis2, run_job
from fastapi.testclient import TestClient

from rm_engine.spec import GenerationSpec
from service.domain import OpinionClaim, OpinionRecord
from service.domain.ids import chunk_id_of
from service.jobs import claim_chunk, load_asked, record_opinions
from service.store import Store


@pytest.fixture
def job(store: Store) -> str:
    return run_job(store, lis2(3, model="toy"), [-1.0, -3.0, -2.0], converged=True)


def ask(client: TestClient, **body: Any) -> Any:
    return client.post("/opinions", json=body)


def answer(store: Store, job_id: str, formation: float | None = -1.25) -> None:
    """Record what a worker would."""
    claim = claim_chunk(store, chunk_id_of(job_id, 0), "worker", 60.0)
    assert isinstance(claim, OpinionClaim)
    records = [
        OpinionRecord(
            structure_id=one.id,
            potential="CHGNet 0.3.0",
            atoms=one.atoms,
            energy_per_atom=-4.5,
            formation_energy_per_atom=formation,
            volume_per_atom=9.0,
            is_kept=False,
            converged=True,
            n_steps=17,
        )
        for one in load_asked(store, claim)
    ]
    assert record_opinions(store, claim, records)


def test_a_second_opinion_is_a_job(client: TestClient, store: Store, job: str) -> None:
    response = ask(client, structure_ids=[f"{job}-00001"], max_steps=50)
    asked = response.json()
    assert (response.status_code, response.headers["location"]) == (202, f"/jobs/{asked['id']}")
    assert (asked["kind"], asked["model"], asked["state"]) == ("opinion", "toy", "queued")
    assert asked["spec"] == {
        "potential": "chgnet",
        "n_structures": 1,
        "n_atoms": 3,
        "model": "toy",
        "chemsys": "Li-S",
        "max_steps": 50,
    }
    assert client.get(asked["links"]["structures"]).json()["items"] == []
    answer(store, asked["id"])
    assert client.get(f"/jobs/{asked['id']}").json()["state"] == "succeeded"
    (item,) = client.get(asked["links"]["structures"]).json()["items"]
    told = {key: item["opinion"][key] for key in ("potential", "energy_per_atom", "formation_energy_per_atom")}
    assert told == {"potential": "CHGNet 0.3.0", "energy_per_atom": -4.5, "formation_energy_per_atom": -1.25}
    assert (item["opinion"]["is_kept"], item["opinion"]["n_steps"], item["opinion"]["job"]) == (False, 17, asked["id"])
    assert client.get(item["links"]["self"]).json()["opinion"] == item["opinion"]
    detail = client.get(f"{item['links']['self']}/opinion").json()
    assert {key: value for key, value in detail.items() if key != "atoms"} == item["opinion"]
    assert detail["atoms"]["numbers"] == [3, 16, 16]
    exported = client.get(item["links"]["self"], params={"format": "extxyz"}).text
    for told in ('opinion_potential="CHGNet 0.3.0"', "opinion_formation_energy_per_atom=-1.25", "opinion_is_kept=F"):
        assert told in exported
    points = client.get(f"/structures/points?job={job}&sort=energy").json()
    assert points["opinion_energy"] == [-1.25, None, None]


def test_what_nobody_asked_about_has_none(client: TestClient, job: str) -> None:
    assert {item["opinion"] for item in client.get("/structures").json()["items"]} == {None}
    missing = client.get(f"/structures/{job}-00001/opinion")
    assert (missing.status_code, missing.json()["code"]) == (404, "unknown_opinion")
    assert client.get(f"/structures/{'0' * 26}-00001/opinion").json()["code"] == "unknown_structure"
    assert client.get("/structures/1/opinion").json()["code"] == "unknown_structure"


def test_structures_come_from_ids_and_queries_once_each(client: TestClient, store: Store, job: str) -> None:
    other = run_job(store, GenerationSpec(composition="LiP", model="other", n=1, formula_units=(1,)), [-1.0])
    asked = ask(client, structure_ids=[f"{job}-00002", f"{other}-00000"], query={"job": job}).json()
    assert (asked["spec"]["n_structures"], asked["spec"]["n_atoms"]) == (4, 11)
    assert (asked["model"], asked["spec"]["chemsys"]) == ("", ""), "of several"
    first = claim_chunk(store, chunk_id_of(asked["id"], 0), "worker", 60.0)
    assert isinstance(first, OpinionClaim)
    assert [one.id for one in load_asked(store, first)][:2] == [f"{job}-00002", f"{other}-00000"]


def test_the_same_request_under_the_same_key_is_one_job(client: TestClient, job: str) -> None:
    body = {"structure_ids": [f"{job}-00001"]}
    one, other = (client.post("/opinions", json=body, headers={"Idempotency-Key": "k"}) for _ in range(2))
    assert one.json()["id"] == other.json()["id"]
    assert ask(client, **body).json()["id"] != one.json()["id"]


def test_what_cannot_be_asked_about_is_refused_with_the_field(client: TestClient, store: Store, job: str) -> None:
    flat = {"numbers": [6], "positions": [[0, 0, 0]], "cell": [[0, 0, 0]] * 3, "periodic": [False] * 3}
    molecule = GenerationSpec(composition="C", n=1, periodic=(False, False, False), formula_units=(1,), model="toy")
    pieces = run_job(store, molecule, [0.0], atoms=flat)
    heavy = run_job(store, GenerationSpec(composition="AmO", n=1, formula_units=(1,), model="toy"), [0.0])
    for body, code, field in (
        ({}, "no_structures", "structure_ids"),
        ({"query": {"composition": "NaCl"}}, "no_structures", "structure_ids"),
        ({"structure_ids": [f"{'0' * 26}-00000"]}, "unknown_structure", "structure_ids"),
        ({"structure_ids": [f"{pieces}-00000"]}, "no_opinion", "structure_ids"),
        ({"structure_ids": [f"{heavy}-00000"]}, "no_opinion", "structure_ids"),
        ({"structure_ids": [f"{job}-00000"], "max_steps": 0}, "out_of_range", "max_steps"),
        ({"structure_ids": [f"{job}-00000"], "potential": "gpt"}, "unknown_field", "potential"),
    ):
        response = ask(client, **body)
        problem = response.json()
        assert (response.status_code, problem["code"]) == (422, code), (body, response.text)
        assert problem["errors"][0]["field"] == field
