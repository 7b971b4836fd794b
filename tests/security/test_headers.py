"""What browsers are told with every answer, whatever it is, and what they may not ask for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from keyed import SECRET, bearer, calls_of, make_key

from service.main import create_app
from service.settings import Settings
from service.store import Store

ORIGIN = "https://pages.example.org"
EVERYWHERE = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
}


@pytest.fixture(scope="module")
def make_app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., FastAPI]]:
    """Makes apps on one embedded database, without keys unless settings say otherwise."""
    folder = tmp_path_factory.mktemp("embedded")

    def make(**fields: Any) -> FastAPI:
        app = create_app(Settings(data_dir=folder, prepare_database=False, **fields))
        stack.callback(app.state.services.store.close)
        app.state.services.store.migrate()
        return app

    with ExitStack() as stack:
        yield make


def test_every_answer_has_the_headers(client: TestClient, store: Store) -> None:
    @client.app.get("/fail")  # type: ignore[attr-defined]
    def fail() -> None:
        raise RuntimeError

    headers = bearer(make_key(store))
    answers = [call.send(client, given) for call in calls_of(client.app) for given in ({}, headers)]  # type: ignore[arg-type]
    answers += [client.get("/nothing"), client.delete("/jobs"), client.get("/fail"), client.get("/docs/")]
    answers.append(client.post("/generate", content=b"x" * 2_000_000, headers=headers))
    assert {200, 201, 202, 307, 401, 404, 405, 413, 500} <= {answer.status_code for answer in answers}
    for answer in answers:
        shown = {name: answer.headers.get(name) for name in EVERYWHERE}
        assert shown == EVERYWHERE, (answer.url, shown)
        policy = answer.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'"), answer.url
        assert "frame-ancestors 'none'" in policy, answer.url
        assert answer.headers["strict-transport-security"], answer.url
        path = answer.url.path
        is_file = answer.is_success and (path == "/" or path.startswith(("/docs/", "/web/")))
        assert ("no-store" in answer.headers["cache-control"]) == (not is_file), answer.url


def test_tls_is_asked_for_behind_tls_only(make_app: Callable[..., FastAPI]) -> None:
    assert "strict-transport-security" not in TestClient(make_app(), "http://localhost").get("/jobs").headers


def test_no_page_of_another_origin_is_answered_unless_it_is_allowed(client: TestClient, store: Store) -> None:
    ask = {"Origin": ORIGIN, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}
    refused = client.options("/generate", headers=ask)
    answered = client.get("/jobs", headers=bearer(make_key(store)) | {"Origin": ORIGIN})
    for answer in (refused, answered):
        assert not [name for name in answer.headers if name.startswith("access-control")]
    assert not refused.is_success


def test_an_allowed_origin_may_send_keys_and_no_other_may(make_app: Callable[..., FastAPI]) -> None:
    fields: dict[str, Any] = {"keys": "on", "key_secret": SECRET, "cors_origins": f"{ORIGIN}, http://localhost:3000"}
    ask = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization,idempotency-key"}
    client = TestClient(make_app(**fields), "https://rmatch.example.org")
    for origin in (ORIGIN, "http://localhost:3000"):
        allowed = client.options("/generate", headers={"Origin": origin, **ask})
        assert allowed.status_code == 200
        assert allowed.headers["access-control-allow-origin"] == origin
        assert "access-control-allow-credentials" not in allowed.headers
    for origin in (f"{ORIGIN}.evil.org", "https://evil.org", "null", ORIGIN.replace("https", "http")):
        refused = client.options("/generate", headers={"Origin": origin, **ask})
        assert "access-control-allow-origin" not in refused.headers
    answered = client.get("/jobs", headers={"Origin": ORIGIN})
    assert (answered.status_code, answered.headers["access-control-allow-origin"]) == (401, ORIGIN)


@pytest.mark.parametrize(
    ("url", "headers"),
    [
        ("http://localhost:8000", {}),
        ("http://127.0.0.1", {"Host": "LOCALHOST:80"}),
        ("http://127.0.0.1", {"Host": "[::1]:8000"}),
        ("http://[::1]", {}),
        ("http://localhost", {"Origin": "http://127.0.0.1:3000"}),
        ("http://localhost", {"Origin": ORIGIN}),
    ],
)
def test_without_keys_this_machine_is_answered(
    make_app: Callable[..., FastAPI], url: str, headers: dict[str, str]
) -> None:
    client = TestClient(make_app(cors_origins=ORIGIN), url)
    assert client.get("/jobs", headers=headers).status_code == 200


@pytest.mark.parametrize(
    ("url", "headers", "why"),
    [
        ("http://127.0.0.1", {"Host": "evil.example.org"}, "host is 'evil.example.org'"),
        ("http://127.0.0.1", {"Host": "localhost.example.org:8000"}, "host is"),
        ("http://127.0.0.1", {"Host": "127.0.0.1@evil.example.org"}, "host is"),
        ("http://127.0.0.1", {"Host": ""}, "host is ''"),
        ("http://127.0.0.1", {"Host": "[::1"}, "host is"),
        ("http://10.1.2.3", {"Host": "localhost"}, "came to '10.1.2.3'"),
        ("http://127.0.0.1", {"Origin": "https://evil.example.org"}, "a page of 'https://evil.example.org'"),
        ("http://127.0.0.1", {"Origin": "null"}, "a page of 'null'"),
    ],
)
def test_without_keys_nobody_else_is(
    make_app: Callable[..., FastAPI], url: str, headers: dict[str, str], why: str
) -> None:
    client = TestClient(make_app(), url)
    for path in ("/jobs", "/healthz", "/docs"):
        refused = client.get(path, headers=headers)
        assert refused.headers["content-type"] == "application/problem+json"
        problem = refused.json()
        assert (refused.status_code, problem["code"]) == (403, "not_this_machine")
        assert why in problem["detail"]
    assert client.post("/generate", json={"composition": "C"}, headers=headers).status_code == 403


def test_with_keys_any_host_is_answered(client: TestClient, store: Store) -> None:
    assert client.get("/jobs", headers=bearer(make_key(store)) | {"Host": "any.example.org"}).status_code == 200
