"""GET /models: what each knows, what it learned from, and which energy it gives."""

from __future__ import annotations

from dataclasses import replace

from fastapi.testclient import TestClient

from rm_engine.spec import ModelCard
from service.settings import Settings


def test_models_are_listed_with_what_they_know(client: TestClient) -> None:
    items = {item["name"]: item for item in client.get("/models").json()["items"]}
    toy = items["toy"]
    assert (toy["elements"], toy["boundary"], toy["energy_kind"]) == (["Li", "P", "S"], "crystal", "pseudo")
    assert (toy["data"], toy["potential"]["cutoff"]) == ("a box of toys", 4.0)
    assert toy["fingerprint"] is None, "it has no weights"
    assert len(items["mp20"]["fingerprint"]) == 12
    assert items["mp20"]["scores"]["force_rmse"] > 0
    assert "training" not in toy


def test_a_model_tells_its_recipe_and_its_end_members(client: TestClient, settings: Settings) -> None:
    folder = settings.model_directories[0]
    card = ModelCard.from_json((folder / "toy.json").read_text())
    (folder / "molecules.json").write_text(
        replace(card, name="molecules", reference_energies={}, formation=card.potential).to_json()
    )
    toy = client.get("/models/toy").json()
    assert toy["reference_energies"] == {"Li": -1.0}
    assert (toy["formation"], client.get("/models/diamond").json()["recipe"]["n_epochs"]) == (None, 60)
    other = client.get("/models/molecules").json()
    assert (other["boundary"], other["energy_kind"]) == ("molecule", "formation")
    assert other["formation"]["cutoff"] == 4.0


def test_an_unknown_model_is_not_found(client: TestClient) -> None:
    for name in ("gpt", "%00", "..%2Ftoy"):
        response = client.get(f"/models/{name}")
        assert response.status_code == 404, name
    assert client.get("/models/gpt").json()["code"] == "unknown_model"


def test_new_weights_under_the_same_name_have_another_fingerprint(client: TestClient, settings: Settings) -> None:
    weights = settings.model_directories[0] / "toy.safetensors"
    fingerprints = []
    for content in (b"some", b"some", b"others"):
        weights.write_bytes(content)
        fingerprints.append(client.get("/models/toy").json()["fingerprint"])
    assert fingerprints[0] == fingerprints[1] != fingerprints[2]
