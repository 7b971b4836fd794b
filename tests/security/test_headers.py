"""What browsers are told with every answer, whatever it is, and what they may not ask for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
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


@contextmanager
def serve(tmp_path: Path, url: str = "http://localhost", **fields: Any) -> Iterator[TestClient]:
    """The app on an embedded database, without keys unless settings say otherwise."""
    app = create_app(Settings(data_dir=tmp_path, **fields))
    with TestClient(app, url, raise_server_exceptions=False) as client:
        yield client


def test_every_answer_has_the_headers(client: TestClient, store: Store) -> None:
    @client.app.get("/fail")  # type: ignore[attr-defined]
    def fail() -> None:
        raise RuntimeError

    headers = bearer(make_key(store))
    answers = [call.send(client, given) for call in calls_of(client.app) for given in ({}, headers)]  # type: ignore[arg-type]
    answers += [client.get("/nothing"), client.delete("/jobs"), client.get("/fail"), client.get("/docs/")]
    answers.append(client.post("/generate", content=b"x" * 2_000_000, headers=headers))
    assert {200, 201, 202, 307, 401, 404, 405, 413, 422, 500} <= {answer.status_code for answer in answers}
    for answer in answers:
        shown = {name: answer.headers.get(name) for name in EVERYWHERE}
        assert shown == EVERYWHERE, (answer.url, shown)
        policy = answer.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'"), answer.url
        assert "frame-ancestors 'none'" in policy, answer.url
        assert answer.headers["strict-transport-security"], answer.url
        is_file = answer.is_success and answer.url.path.startswith("/docs/")
        assert ("no-store" in answer.headers["cache-control"]) == (not is_file), answer.url


def test_tls_is_asked_for_behind_tls_only(tmp_path: Path) -> None:
    with serve(tmp_path) as client:
        assert "strict-transport-security" not in client.get("/jobs").headers


def test_no_page_of_another_origin_is_answered_unless_it_is_allowed(client: TestClient, store: Store) -> None:
    ask = {"Origin": ORIGIN, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}
    refused = client.options("/generate", headers=ask)
    answered = client.get("/jobs", headers=bearer(make_key(store)) | {"Origin": ORIGIN})
    for answer in (refused, answered):
        assert not [name for name in answer.headers if name.startswith("access-control")]
    assert not refused.is_success


def test_an_allowed_origin_may_send_keys_and_no_other_may(tmp_path: Path) -> None:
    fields: dict[str, Any] = {"keys": "on", "key_secret": SECRET, "cors_origins": f"{ORIGIN}, http://localhost:3000"}
    ask = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization,idempotency-key"}
    with serve(tmp_path, "https://rmatch.example.org", **fields) as client:
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
def test_without_keys_this_machine_is_answered(tmp_path: Path, url: str, headers: dict[str, str]) -> None:
    with serve(tmp_path, url, cors_origins=ORIGIN) as client:
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
def test_without_keys_nobody_else_is(tmp_path: Path, url: str, headers: dict[str, str], why: str) -> None:
    with serve(tmp_path, url) as client:
        for path in ("/jobs", "/healthz", "/docs"):
            refused = client.get(path, headers=headers)
            assert refused.headers["content-type"] == "application/problem+json"
            problem = refused.json()
            assert (refused.status_code, problem["code"]) == (403, "not_this_machine")
            assert why in problem["detail"]
        assert client.post("/generate", json={"composition": "C"}, headers=headers).status_code == 403


def test_with_keys_any_host_is_answered(client: TestClient, store: Store) -> None:
    assert client.get("/jobs", headers=bearer(make_key(store)) | {"Host": "any.example.org"}).status_code == 200
