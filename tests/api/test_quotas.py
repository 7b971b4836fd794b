"""What clients are told when there is no room for their job."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from fastapi.testclient import TestClient
from httpx2 import Response
from keyed import SECRET, bearer, make_key

from service.main import create_app
from service.settings import Settings
from service.store import Store

BODY = {"composition": "LiS2", "n": 2, "formula_units": 1, "model": "toy", "max_steps": 1000}
WORK = 2 * 3 * 1000


@contextmanager
def bounded(settings: Settings, **bounds: object) -> Iterator[TestClient]:
    app = create_app(settings.model_copy(update=bounds))
    with TestClient(app, base_url="http://localhost", raise_server_exceptions=False) as client:
        yield client


def submit(client: TestClient, headers: dict[str, str] | None = None) -> Response:
    return client.post("/generate", json=BODY, headers=headers or {})


def check_refusal(response: Response, status: int, code: str) -> None:
    assert (response.status_code, response.json()["code"]) == (status, code)
    assert response.headers["content-type"] == "application/problem+json"
    seconds = int(response.headers["Retry-After"])
    assert 5 <= seconds <= 3600
    detail = response.json()["detail"]
    assert f"Try again in {seconds:,} s" in detail
    assert "DELETE /jobs/{id}" in detail
    assert f"{WORK:,} atom-steps" in detail


@pytest.mark.parametrize("bound", [{"max_queued_atom_steps_per_key": 2 * WORK}, {"max_queued_jobs_per_key": 2}])
def test_too_much_of_one_key_is_too_many_requests(settings: Settings, store: Store, bound: dict[str, int]) -> None:
    with bounded(settings, **bound) as client:
        first = submit(client)
        assert submit(client).status_code == 202
        check_refusal(submit(client), 429, "quota_exceeded")
        assert client.delete(first.headers["Location"]).is_success
        assert submit(client).status_code == 202


@pytest.mark.parametrize("bound", [{"max_queued_atom_steps": 2 * WORK}, {"max_queued_jobs": 2}])
def test_too_much_of_all_is_a_full_queue(settings: Settings, store: Store, bound: dict[str, int]) -> None:
    with bounded(settings, **bound) as client:
        assert [submit(client).status_code for _ in range(2)] == [202, 202]
        check_refusal(submit(client), 503, "queue_full")
        assert client.get("/jobs").is_success, "who reads is not refused"


def test_a_request_sent_again_is_answered_with_its_job(settings: Settings, store: Store) -> None:
    with bounded(settings, max_queued_jobs_per_key=1) as client:
        first, again = (submit(client, {"Idempotency-Key": "k-1"}) for _ in range(2))
        check_refusal(submit(client, {"Idempotency-Key": "k-2"}), 429, "quota_exceeded")
        assert (first.status_code, again.status_code) == (202, 202)
        assert first.json()["id"] == again.json()["id"]


def test_a_job_that_is_too_large_is_bad_input(settings: Settings, store: Store) -> None:
    with bounded(settings, max_job_atom_steps=WORK - 1) as client:
        refused = submit(client)
    assert (refused.status_code, refused.json()["code"]) == (422, "too_much_work")
    (error,) = refused.json()["errors"]
    assert error["field"] == "n"
    assert "2 structures of up to 3 atoms, relaxed for up to 1,000 steps" in error["reason"]
    assert f"a job may have {WORK - 1:,}" in error["reason"]


def test_each_key_has_a_quota_even_within_a_group(settings: Settings, store: Store) -> None:
    small = bearer(make_key(store, max_queued_atom_steps=WORK))
    usual = bearer(make_key(store))
    with bounded(settings, keys="on", key_secret=SECRET, max_queued_jobs_per_key=2) as client:
        assert submit(client, small).status_code == 202
        check_refusal(submit(client, small), 429, "quota_exceeded")
        assert [submit(client, usual).status_code for _ in range(3)] == [202, 202, 429]
