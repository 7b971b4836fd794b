"""``POST /generate`` under an ``Idempotency-Key``."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient
from httpx2 import Response

from service.jobs import forget_old_keys
from service.store import Store

BODY = {"composition": "LiS2", "n": 2, "model": "toy"}


def post(client: TestClient, key: str | None, **changes: Any) -> Response:
    headers = {} if key is None else {"Idempotency-Key": key}
    return client.post("/generate", json={**BODY, **changes}, headers=headers)


def count_jobs(client: TestClient) -> int:
    return len(client.get("/jobs").json()["items"])


def test_the_same_request_gives_the_same_job(client: TestClient) -> None:
    first, again = post(client, "k-1"), post(client, "k-1")
    assert (first.status_code, again.status_code) == (202, 202)
    assert first.json()["id"] == again.json()["id"]
    assert first.headers["Location"] == again.headers["Location"]
    assert count_jobs(client) == 1


def test_the_order_of_fields_and_what_is_left_out_do_not_matter(client: TestClient) -> None:
    first = post(client, "k-1", match=True)
    turned = dict(reversed(BODY.items()))
    again = client.post("/generate", json=turned, headers={"idempotency-key": "k-1"})
    assert first.json()["id"] == again.json()["id"]


def test_another_request_under_the_same_key_is_refused(client: TestClient) -> None:
    job = post(client, "k-1").json()["id"]
    refused = post(client, "k-1", n=3)
    assert refused.status_code == 422
    assert refused.json()["code"] == "idempotency_key_reused"
    assert job in refused.json()["detail"]
    assert count_jobs(client) == 1


def test_other_keys_and_none_give_other_jobs(client: TestClient) -> None:
    ids = {post(client, key).json()["id"] for key in ("k-1", "K-1", None, None)}
    assert len(ids) == 4


def test_a_refused_request_leaves_its_key_free(client: TestClient) -> None:
    assert post(client, "k-1", composition="Xx2").status_code == 422
    assert post(client, "k-1").status_code == 202


@pytest.mark.parametrize("key", ["", "two words", "k" * 201, "tab\t"])
def test_keys_of_another_form_are_refused(client: TestClient, key: str) -> None:
    refused = post(client, key)
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["field"] == "Idempotency-Key"
    assert count_jobs(client) == 0


def test_many_at_the_same_time_give_one_job(client: TestClient) -> None:
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda turn: post(client, "k-1", n=2 + turn % 2), range(16)))
    accepted = {answer.json()["id"] for answer in answers if answer.status_code == 202}
    refused = {answer.json()["code"] for answer in answers if answer.status_code != 202}
    assert len(accepted) == 1
    assert refused == {"idempotency_key_reused"}
    assert sum(answer.status_code == 202 for answer in answers) == 8
    assert count_jobs(client) == 1


def test_old_keys_are_forgotten(client: TestClient, store: Store) -> None:
    first = post(client, "k-1").json()["id"]
    assert forget_old_keys(store, timedelta(hours=1)) == 0
    assert post(client, "k-1").json()["id"] == first
    assert forget_old_keys(store, timedelta(hours=-1)) == 1
    assert post(client, "k-1").json()["id"] != first
