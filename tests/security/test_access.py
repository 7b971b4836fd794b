"""Every route of the app, as it has them: who is let in, and who is not."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient
from keyed import OPEN_PATHS, SECRET, Call, bearer, calls_of, code_of, guarded_calls, make_key, make_short_key
from sqlalchemy import event

from service.domain import Scope
from service.domain.errors import InvalidKeyError
from service.domain.keys import StoredKey
from service.jobs import list_keys, revoke_key, rotate_key
from service.jobs.keys import USE_INTERVAL, authenticate
from service.security import new_key, parse_key
from service.store import Store


def id_of(key: str) -> str:
    parsed = parse_key(key)
    assert parsed is not None
    return parsed.id


def stored_key(store: Store, key: str) -> StoredKey:
    return next(stored for stored in list_keys(store) if stored.id == id_of(key))


def mistype(key: str) -> str:
    return key[:-1] + ("0" if key[-1] != "0" else "1")


@contextmanager
def statements(client: TestClient) -> Iterator[list[str]]:
    """The SQL that the app sends while the context lasts."""
    seen: list[str] = []
    engine = client.app.state.services.store._engine  # type: ignore[attr-defined]

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        seen.append(statement)

    event.listen(engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(engine, "before_cursor_execute", note)


def refusals(client: TestClient, headers: Any) -> dict[Call, tuple[int, str]]:
    """Status and code of each call that needs a key."""
    found = {}
    for call in guarded_calls(client.app):  # type: ignore[arg-type]
        answer = call.send(client, headers)
        assert answer.headers["www-authenticate"].startswith("Bearer"), call
        assert answer.headers["cache-control"] == "no-store", call
        found[call] = (answer.status_code, code_of(answer))
    return found


def test_only_what_says_nothing_of_anybody_is_open(client: TestClient) -> None:
    calls = list(calls_of(client.app))  # type: ignore[arg-type]
    assert {call.path for call in calls} >= OPEN_PATHS | {"/generate", "/jobs/{job_id}/events", "/metrics", "/workers"}
    for call in calls:
        if call.path in OPEN_PATHS:
            name = "swagger-ui.css" if call.path.startswith("/docs") else "page.css"
            assert call.send(client, {}, name=name).status_code in {200, 503}, call


@pytest.mark.parametrize(
    "headers",
    [{}, {"Authorization": "Bearer"}, {"Authorization": "Basic cm0="}, {"Authorization": ""}, {"X-API-Key": ""}],
    ids=repr,
)
def test_no_route_answers_without_a_key(client: TestClient, headers: dict[str, str]) -> None:
    with statements(client) as seen:
        found = refusals(client, headers)
    assert set(found.values()) == {(401, "key_required")}, found
    assert not seen, "no stranger keeps the database busy"


def test_no_route_takes_what_is_no_key(client: TestClient, store: Store) -> None:
    key = make_key(store)
    guesses = ["x", "rmatch_", "rmatch_a_b", mistype(key), key[:-1], f"{key}0", key.upper(), "é", f"{key} {key}"]
    with statements(client) as seen:
        for guess in guesses:
            for headers in ({b"X-API-Key": guess.encode()}, {b"Authorization": f"Bearer {guess}".encode()}):
                found = refusals(client, headers)
                assert set(found.values()) == {(401, "invalid_key")}, (guess, found)
    assert not seen, "the checksum tells"


def test_no_route_takes_a_key_that_does_not_hold(client: TestClient, store: Store) -> None:
    known, revoked, rotated = (make_key(store) for _ in range(3))
    revoke_key(store, id_of(revoked))
    rotate_key(store, SECRET.encode(), id_of(rotated))
    keys = {
        "unknown": new_key().text,
        "under another secret": make_key(store, secret="another secret of another server"),
        "expired": make_short_key(store),
        "revoked": revoked,
        "rotated": rotated,
    }
    for why, key in keys.items():
        found = refusals(client, bearer(key))
        assert set(found.values()) == {(401, "invalid_key")}, (why, found)
    details = {why: client.get("/jobs", headers=bearer(key)).json()["detail"] for why, key in keys.items()}
    assert details["unknown"] == details["under another secret"], "whether there is such a key, strangers do not learn"
    assert client.get("/jobs", headers=bearer(known)).status_code == 200


@pytest.mark.parametrize("scope", Scope)
def test_every_route_asks_for_its_scope(client: TestClient, store: Store, scope: Scope) -> None:
    only, others = make_key(store, "a", scope), make_key(store, "a", *(set(Scope) - {scope}))
    for call in guarded_calls(client.app):  # type: ignore[arg-type]
        if call.scope is scope:
            answer = call.send(client, bearer(only))
            is_let_in = answer.status_code in {200, 201, 202, 204, 404} or code_of(answer) == "no_structures"
            assert is_let_in, call
            refused = call.send(client, bearer(others))
            assert (refused.status_code, code_of(refused)) == (403, "scope_missing"), call
            assert f'scope="{scope}"' in refused.headers["www-authenticate"]


def test_a_key_comes_in_either_header(client: TestClient, store: Store) -> None:
    key = make_key(store)
    for headers in (bearer(key), {"authorization": f"bearer {key}"}, {"X-API-Key": key}):
        assert client.get("/jobs", headers=headers).status_code == 200
    both = {**bearer(new_key().text), "X-API-Key": key}
    assert client.get("/jobs", headers=both).status_code == 401, "of two, the standard one counts"
    assert client.get("/jobs", params={"key": key, "X-API-Key": key}).status_code == 401, "addresses end up in logs"


def test_a_revoked_key_is_refused_with_the_next_request(client: TestClient, store: Store) -> None:
    key = make_key(store)
    for expected in (200, 401):
        assert client.get("/jobs", headers=bearer(key)).status_code == expected
        revoke_key(store, id_of(key))
    first = stored_key(store, key)
    assert revoke_key(store, id_of(key)) == first, "revoking again changes nothing"


def test_a_key_is_replaced_with_an_overlap(client: TestClient, store: Store) -> None:
    old = make_key(store, "a", Scope.READ, lifetime=timedelta(days=3), max_queued_atom_steps=7)
    new, stored = rotate_key(store, SECRET.encode(), id_of(old), timedelta(hours=1))
    assert [client.get("/jobs", headers=bearer(key)).status_code for key in (old, new.text)] == [200, 200]
    replaced = stored_key(store, old)
    assert replaced.expires_at is not None
    assert timedelta(minutes=59) < replaced.expires_at - datetime.now(UTC) <= timedelta(hours=1)
    assert (stored.group, stored.scopes, stored.max_queued_atom_steps) == ("a", frozenset({Scope.READ}), 7)
    assert stored.expires_at == stored.created_at + timedelta(days=3)
    revoke_key(store, new.id)
    with pytest.raises(InvalidKeyError, match="revoked"):
        rotate_key(store, SECRET.encode(), new.id)


def test_the_use_of_a_key_is_noted_once_a_minute(client: TestClient, store: Store) -> None:
    key = make_key(store)
    with statements(client) as seen:
        for _ in range(5):
            assert client.get("/jobs", headers=bearer(key)).status_code == 200
    assert sum(statement.startswith("UPDATE api_keys") for statement in seen) == 1
    stored = stored_key(store, key)
    assert stored.last_used_at is not None
    earlier = stored.last_used_at - USE_INTERVAL
    with store.transaction() as tx:
        tx.keys.mark_used(stored.id, stored.last_used_at + USE_INTERVAL / 2, USE_INTERVAL)
        assert tx.keys.find(stored.id) == stored
        tx.keys.mark_used(stored.id, stored.last_used_at + USE_INTERVAL, USE_INTERVAL)
        changed = tx.keys.find(stored.id)
    assert changed is not None
    assert changed.last_used_at == earlier + 2 * USE_INTERVAL


def test_nothing_but_the_digest_is_stored(store: Store) -> None:
    key = make_key(store)
    stored = stored_key(store, key)
    secret_part = key.rpartition("_")[2]
    shown = f"{vars(stored)} {authenticate(store, SECRET.encode(), key)}"
    assert secret_part not in shown
    assert stored.digest not in repr(stored)


def test_the_document_says_which_operations_need_a_key(client: TestClient) -> None:
    document = client.get("/openapi.json").json()
    schemes = document["components"]["securitySchemes"]
    assert schemes["key"]["type"], schemes["key"]["scheme"] == ("http", "bearer")
    assert (schemes["keyHeader"]["in"], schemes["keyHeader"]["name"]) == ("header", "X-API-Key")
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            needs_key = path not in OPEN_PATHS
            assert operation.get("security", []) == ([{"key": []}, {"keyHeader": []}] if needs_key else []), (
                method,
                path,
            )
