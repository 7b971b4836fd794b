"""``/models``: trained from what is sent or was found, uploaded, downloaded, deleted."""

from __future__ import annotations

from typing import Any

import pytest
from ase.build import bulk, molecule
from databases import lis2, run_job
from fastapi.testclient import TestClient
from packed import pack

from rm_engine.files import write_structure
from rm_engine.spec import unpack_card
from service.domain import PUBLIC_GROUP
from service.store import Store

DIAMOND = {"format": "cif", "content": write_structure(bulk("C", "diamond", a=3.567), "cif")}
SALT = {"format": "poscar", "content": write_structure(bulk("NaCl", "rocksalt", a=5.64), "poscar")}
WATER = {"format": "extxyz", "content": write_structure(molecule("H2O"), "extxyz")}


def ask(client: TestClient, **changes: Any) -> Any:
    return client.post("/models", json={"name": "mine", "structures": [DIAMOND], **changes})


def stored(store: Store, job_id: str) -> list[dict[str, Any]]:
    with store.reading() as tx:
        return [dict(each) for each in tx.models.training(job_id)[0]]


def test_a_training_is_a_job(client: TestClient, store: Store) -> None:
    answer = ask(client, epochs=2, seed=5)
    job = answer.json()
    assert (answer.status_code, answer.headers["location"]) == (202, f"/jobs/{job['id']}")
    assert (job["kind"], job["model"], job["state"], job["formulas"]) == ("train", "mine", "queued", [])
    assert job["counts"]["requested"] == 2
    assert job["spec"] == {"name": "mine", "n_structures": 1, "n_atoms": 2, "base": None, "n_epochs": 2, "seed": 5}
    assert client.get("/jobs").json()["items"][0] == job
    assert client.get(job["links"]["curve"]).json()["epoch"] == []
    assert [each["numbers"] for each in stored(store, job["id"])] == [[6, 6]]
    assert client.get("/models/mine").status_code == 404, "not yet"
    assert client.delete(f"/jobs/{job['id']}").json()["state"] == "cancelled"


def test_structures_come_from_files_ids_and_queries(client: TestClient, store: Store) -> None:
    job = run_job(store, lis2(), [-1.0, -2.0, -1.5, -2.0])
    given = {"structures": [SALT, SALT], "structure_ids": [f"{job}-00002", f"{job}-00000"], "query": {"job": job}}
    answer = ask(client, **given)
    assert answer.status_code == 202, answer.text
    assert answer.json()["spec"]["n_structures"] == 8
    assert sorted({tuple(each["numbers"]) for each in stored(store, answer.json()["id"])}) == [(3, 16, 16), (17, 11)]


@pytest.mark.parametrize(
    ("changes", "status", "code", "field"),
    [
        ({"name": "diamond"}, 409, "name_taken", None),
        ({"name": "../mine"}, 422, "invalid_value", "name"),
        ({"structures": []}, 422, "no_structures", "structures"),
        ({"structures": [DIAMOND, WATER]}, 422, "mixed_structures", "structures"),
        ({"structures": [{"format": "cif", "content": "data_"}]}, 422, "unreadable_structure_file", "content"),
        ({"structures": [DIAMOND] * 21}, 422, "invalid_value", "structures"),
        ({"structure_ids": ["1"]}, 422, "invalid_value", "structure_ids"),
        ({"structure_ids": [f"{'0' * 26}-00000"]}, 422, "unknown_structure", "structure_ids"),
        ({"query": {"composition": "Xx"}}, 422, "unknown_element", "composition"),
        ({"query": {"colour": "red"}}, 422, "unknown_field", "query"),
        ({"epochs": 0}, 422, "out_of_range", "epochs"),
        ({"epochs": 201}, 422, "out_of_range", "epochs"),
        ({"base": "mp20"}, 422, "conflicting_fields", "base"),
        ({"recipe": "fine-tune", "base": "gpt"}, 422, "unknown_model", "model"),
        ({"recipe": "fine-tune", "base": "qm7b"}, 422, "unsuitable_base", "base"),
        ({"recipe": "fine-tune", "base": "toy"}, 422, "unsuitable_base", "base"),
    ],
)
def test_what_cannot_be_trained_is_refused_with_the_field(
    client: TestClient, changes: dict[str, Any], status: int, code: str, field: str | None
) -> None:
    answer = ask(client, **changes)
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    assert field is None or answer.json()["errors"][0]["field"] == field


def test_the_usual_base_follows_from_the_structures(client: TestClient) -> None:
    bases = [
        ask(client, name=f"tuned-{k}", structures=[file], recipe="fine-tune").json()["spec"]["base"]
        for k, file in enumerate((SALT, WATER))
    ]
    assert bases == ["mp20-plus", "qm7b"]


def test_the_same_request_under_the_same_key_is_one_training(client: TestClient) -> None:
    body = {"name": "mine", "structures": [DIAMOND]}
    one, other = (client.post("/models", json=body, headers={"Idempotency-Key": "k"}) for _ in range(2))
    assert one.json()["id"] == other.json()["id"]
    assert ask(client).json()["code"] == "name_taken", "without the key it is another"


def test_a_model_goes_down_up_and_away(client: TestClient, store: Store) -> None:
    for name in ("diamond", "mp20-plus"):
        file = client.get(f"/models/{name}/file")
        assert file.headers["content-disposition"] == f'attachment; filename="{name}.safetensors"'
        assert file.content == pack(name)
    assert client.get("/models/toy/file").status_code == 404, "it has no weights"
    answer = client.put("/models/mine", content=pack("diamond"))
    item = answer.json()
    assert (answer.status_code, item["name"], item["own"], item["elements"]) == (201, "mine", True, ["C"])
    assert client.put("/models/mine", content=pack("diamond")).json() == item, "again"
    assert client.put("/models/mine", content=pack("mp20")).json()["code"] == "name_taken"
    assert client.put("/models/diamond", content=pack("mp20")).json()["code"] == "name_taken"
    assert item in client.get("/models").json()["items"]
    assert client.get("/models/mine").json()["recipe"]["n_epochs"] == 60
    down = client.get("/models/mine/file").content
    assert unpack_card(down).name == "mine"
    generate = client.post("/generate", json={"composition": "C", "n": 1, "model": "mine"})
    assert generate.status_code == 202, generate.text
    assert client.delete("/models/mine").json()["code"] == "model_in_use"
    client.delete(generate.headers["location"])
    assert client.delete("/models/mine").status_code == 204
    assert client.delete("/models/mine").json()["code"] == "unknown_model"
    assert client.delete("/models/diamond").json()["code"] == "unknown_model", "it is the operator's"
    assert client.post("/generate", json={"composition": "C", "model": "mine"}).json()["code"] == "unknown_model"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", None),
        (b"PK\x03\x04", "does not begin with a header"),
        (pack("diamond")[:-4], "end with the file"),
        (pack("diamond").replace(b'\\"cutoff\\": 4.5', b'\\"cutoff\\": 9.5'), "a cutoff beyond 8"),
    ],
    ids=["empty", "another format", "cut short", "a cutoff too long"],
)
def test_what_is_no_model_is_refused(client: TestClient, content: bytes, reason: str | None) -> None:
    answer = client.put("/models/mine", content=content)
    assert answer.status_code == 422, answer.text
    assert reason is None or (answer.json()["code"] == "unreadable_model" and reason in answer.json()["detail"])
    assert client.get("/models/mine").status_code == 404


def test_a_model_is_its_groups(store: Store) -> None:
    card = unpack_card(pack("diamond"))
    with store.transaction() as tx:
        tx.models.add(card, pack("diamond"), "others")
    with store.reading() as tx:
        assert tx.models.find(card.name, PUBLIC_GROUP) is None
        assert [each.name for each in tx.models.of_group("others")] == [card.name]
