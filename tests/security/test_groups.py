"""A group sees what is its own, and what is everyone's; of another group it does not even learn that there is one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest
from databases import lis2, run_job
from fastapi.testclient import TestClient
from keyed import Call, bearer, code_of, guarded_calls, make_key

from service.domain import Match, Principal, Reference, Scope
from service.jobs import add_references, submit_job
from service.store import Store

POSCAR = "x\n1\n3 0 0\n0 3 0\n0 0 {}\nLi S\n1 2\nDirect\n0 0 0\n0.25 0.25 0.25\n0.75 0.75 0.75\n"
ATOMS: dict[str, Any] = {
    "numbers": [3, 16, 16],
    "positions": [[0.0, 0.0, 0.0], [1.0, 1.0, 1.0], [2.0, 2.0, 2.0]],
    "cell": [[4.0, 0.0, 0.0], [0.0, 4.0, 0.0], [0.0, 0.0, 4.0]],
    "periodic": [True, True, True],
}
GENERATE = {"composition": "C", "n": 1, "model": "diamond"}


class Own(NamedTuple):
    """What a group has: a finished job with two structures, the lower on its hull, a waiting job, a reference."""

    job: str
    waiting: str
    reference: str

    @property
    def marks(self) -> set[str]:
        """What no answer to another group may hold."""
        return set(self)


def fill(store: Store, group: str, energy: float) -> Own:
    member = Principal("", group, frozenset(Scope))
    cell = [[4.0 - energy, 0.0, 0.0], *ATOMS["cell"][1:]]
    reference = Reference(name=f"crystal of {group}", atoms={**ATOMS, "cell": cell}, group=group)
    add_references(store, [reference])
    matches = {0: [Match(reference_id=reference.id, rms=0.01)]}
    job = run_job(store, lis2(2), [energy, energy + 0.5], matches=matches, principal=member)
    return Own(job, submit_job(store, lis2(1), principal=member), reference.id)


@pytest.fixture(scope="module")
def owned(store: Store) -> dict[str, Own]:
    """Two groups with the same compositions, of which one has the lower energies."""
    return {"a": fill(store, "a", -2.0), "b": fill(store, "b", -1.0)}


@pytest.fixture(scope="module")
def keys(store: Store) -> dict[str, str]:
    return {group: make_key(store, group, Scope.READ, Scope.WRITE) for group in ("a", "b", "c", "d", "public")}


def pages(client: TestClient, path: str, headers: dict[str, str]) -> Iterator[str]:
    """All pages of a list."""
    while path:
        answer = client.get(path, headers=headers)
        assert answer.status_code == 200, (path, answer.text)
        yield answer.text
        content = answer.json()
        path = content["links"]["next"] if "links" in content else content["next"]


def test_every_route_that_names_a_thing_finds_none_of_another_group(
    client: TestClient, owned: dict[str, Own], keys: dict[str, str]
) -> None:
    mine = owned["a"]
    calls = [call for call in guarded_calls(client.app) if "_id}" in call.path]  # type: ignore[arg-type]
    assert {
        Call("GET", "/jobs/{job_id}"),
        Call("DELETE", "/jobs/{job_id}"),
        Call("GET", "/structures/{structure_id}"),
    } <= {*calls}
    for call in calls:
        for job in (mine.job, mine.waiting):
            ids = {"job_id": job, "structure_id": f"{mine.job}-00000"}
            for group in ("b", "public"):
                answer = call.send(client, bearer(keys[group]), **ids)
                missing = call.send(client, bearer(keys[group]), job_id="0" * 26, structure_id=f"{'0' * 26}-00000")
                assert answer.status_code == missing.status_code == 404, call
                assert code_of(answer) == code_of(missing), call
    assert client.get(f"/jobs/{mine.waiting}", headers=bearer(keys["a"])).json()["state"] == "queued", "not cancelled"


@pytest.mark.parametrize("accept", ["application/json", "chemical/x-cif", "chemical/x-vasp-poscar", "chemical/x-xyz"])
def test_no_file_of_another_group_is_exported(
    client: TestClient, owned: dict[str, Own], keys: dict[str, str], accept: str
) -> None:
    path = f"/structures/{owned['a'].job}-00000"
    statuses = {
        group: client.get(path, headers=bearer(key) | {"Accept": accept}).status_code for group, key in keys.items()
    }
    assert statuses == {"a": 200, "b": 404, "c": 404, "d": 404, "public": 404}


FILTERS = [
    "limit=1", "hull=true", "hull=false", "matched=true", "unique=true", "kind=new", "composition=LiS2", "chemsys=Li-S",
    "elements=Li", "converged=true", "energy_above_hull_max=100", "sort=energy&limit=1", "sort=-energy_above_hull",
    "hull=true&chemsys=Li-S&sort=energy", "start=random", "model_fingerprint=0123456789ab",
]  # fmt: skip
OPTIMADE_FILTERS = [
    'elements HAS "Li"', 'chemical_formula_reduced="LiS2"', "NOT nelements=1", "_rmatch_matched OR nsites>1",
    'chemical_formula_anonymous="A2B" AND _rmatch_energy_above_hull<100',
]  # fmt: skip
LISTS = (
    *("/jobs", "/jobs?state=succeeded", "/jobs?state=queued", "/jobs?limit=1"),
    *("/references", "/references?composition=LiS2", "/references?limit=1"),
    *("/structures", *(f"/structures?{query}" for query in FILTERS)),
    *("/optimade/v1/structures?page_limit=1", "/optimade/v1/structures?sort=-_rmatch_energy_above_hull&page_limit=1"),
    *(f"/optimade/v1/structures?filter={query}" for query in OPTIMADE_FILTERS),
)


def test_no_list_shows_anything_of_another_group(
    client: TestClient, owned: dict[str, Own], keys: dict[str, str]
) -> None:
    for path in LISTS:
        for group, other in (("a", "b"), ("b", "a")):
            text = "".join(pages(client, path, bearer(keys[group])))
            assert not [mark for mark in owned[other].marks if mark in text], (path, group)
            assert "state" in path or any(mark in text for mark in owned[group].marks), (path, "shows its own")
        text = "".join(pages(client, path, bearer(keys["public"])))
        assert not [mark for own in owned.values() for mark in own.marks if mark in text], path


def test_nobody_asks_about_structures_of_another_group(
    client: TestClient, owned: dict[str, Own], keys: dict[str, str]
) -> None:
    body = {"structure_ids": [f"{owned['a'].job}-00000"]}
    codes = {}
    for group, key in keys.items():
        answer = client.post("/opinions", json=body, headers=bearer(key))
        codes[group] = "" if answer.status_code == 202 else code_of(answer)
    assert codes.pop("a") == ""
    assert set(codes.values()) <= {"unknown_structure", "scope_missing"}
    every = client.post("/opinions", json={"query": {}}, headers=bearer(keys["b"])).json()
    assert every["spec"]["n_structures"] == sum(
        len(json.loads(page)["items"]) for page in pages(client, "/structures?converged=true", bearer(keys["b"]))
    )


def test_nothing_is_found_by_what_another_group_has(
    client: TestClient, owned: dict[str, Own], keys: dict[str, str]
) -> None:
    for path in (f"/structures?job={owned['a'].job}", f"/structures?job={owned['a'].waiting}"):
        assert client.get(path, headers=bearer(keys["b"])).json()["items"] == []
    for path in ("/jobs?limit=1", "/structures?limit=1", "/structures?sort=energy&limit=1", "/references?limit=1"):
        following = client.get(path, headers=bearer(keys["a"])).json()["next"]
        if following is not None:
            text = "".join(pages(client, following, bearer(keys["b"])))
            assert not [mark for mark in owned["a"].marks if mark in text], "a cursor opens nothing"


def test_hulls_and_matches_are_those_of_the_group(
    client: TestClient, owned: dict[str, Own], keys: dict[str, str]
) -> None:
    """The other group's lower energies would put all of this one's structures above the hull."""
    for group, own in owned.items():
        (on_hull,) = client.get("/structures?hull=true", headers=bearer(keys[group])).json()["items"]
        assert (on_hull["id"], on_hull["energy_above_hull"]) == (f"{own.job}-00000", 0.0)
        assert [match["reference"] for match in on_hull["matches"]] == [own.reference]


def test_the_same_idempotency_key_is_two_in_two_groups(client: TestClient, keys: dict[str, str]) -> None:
    def submit(group: str, **changes: Any) -> Any:
        headers = bearer(keys[group]) | {"Idempotency-Key": "k-1"}
        return client.post("/generate", json={**GENERATE, **changes}, headers=headers)

    first = submit("a")
    assert submit("a").json()["id"] == first.json()["id"]
    assert submit("b", n=2).status_code == 202, "nor is it said that the key stands for another request"
    assert submit("b", n=2).json()["id"] != first.json()["id"]


def test_an_upload_is_seen_by_its_group_and_a_public_one_by_all(client: TestClient, keys: dict[str, str]) -> None:
    def upload(group: str, length: float) -> str:
        body = {"name": f"of {group}", "format": "poscar", "content": POSCAR.format(length)}
        answer = client.post("/references", json=body, headers=bearer(keys[group]))
        assert answer.status_code == 201
        return str(answer.json()["items"][0]["id"])

    def names(group: str) -> set[str]:
        return {item["name"] for item in client.get("/references", headers=bearer(keys[group])).json()["items"]}

    ids = {upload("c", 3.0), upload("d", 3.0)}
    assert len(ids) == 2, "the same atoms, of which neither group learns that the other has them"
    shared = upload("public", 3.5)
    assert {group: names(group) for group in ("c", "d", "public")} == {
        "c": {"of c", "of public"},
        "d": {"of d", "of public"},
        "public": {"of public"},
    }
    assert upload("c", 3.5) == shared, "what everyone knows is not stored again"


def test_two_keys_of_a_group_share_what_it_has(client: TestClient, store: Store) -> None:
    one, other = (bearer(make_key(store, "e")) for _ in range(2))
    path = client.post("/generate", json=GENERATE, headers=one).headers["Location"]
    assert client.get(path, headers=other).status_code == 200
    assert client.delete(path, headers=other).json()["state"] == "cancelled"
