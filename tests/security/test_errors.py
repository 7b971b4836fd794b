"""What failures tell: what went wrong and the way out, and nothing of how the service is made."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from keyed import bearer, calls_of, code_of, guarded_calls, make_key
from sqlalchemy import text

from service.main import create_app
from service.settings import Settings
from service.store import Store

INNER = re.compile(
    r"Traceback|File \"|\.py\b|line \d+, in|[a-z]Error\b|0x[0-9a-f]{6}|sqlalchemy|psycopg|sqlite|site-packages|"
    r"SELECT |INSERT |UPDATE |FROM |api_keys|group_name|/tmp/|/shm/|/home/|/root/|/work/|/usr/"
)
"""Traces, paths, SQL, tables, libraries, names of exceptions."""

LIS2 = {"composition": "LiS2", "n": 1}


@contextmanager
def without(store: Store, *tables: str) -> Iterator[None]:
    """The database as if it had not these tables."""
    with store.transaction() as tx:
        for table in tables:
            tx.connection.execute(text(f'ALTER TABLE "{table}" RENAME TO "{table}_gone"'))
    yield
    with store.transaction() as tx:
        for table in tables:
            tx.connection.execute(text(f'ALTER TABLE "{table}_gone" RENAME TO "{table}"'))


def check_silent(answer_text: str, tmp_path: Path) -> None:
    assert not INNER.findall(answer_text), answer_text
    assert str(tmp_path) not in answer_text


def test_a_database_that_lost_its_tables_is_not_described(client: TestClient, store: Store, tmp_path: Path) -> None:
    """Every statement fails after the key was checked, in every route that runs one."""
    headers = bearer(make_key(store))
    failed = set()
    with without(
        store, "jobs", "chunks", "structures", "references", "workers", "idempotency_keys", "models", "trainings"
    ):
        calls = guarded_calls(client.app)  # type: ignore[arg-type]
        answers = [(call, call.send(client, {**headers, "Idempotency-Key": "k"})) for call in calls]
    for call, answer in answers:
        check_silent(answer.text, tmp_path)
        if not answer.is_success:
            assert (answer.status_code, code_of(answer)) in {
                (500, "internal_error"), (503, "database_unavailable"),
            }, call  # fmt: skip
            failed.add(call.path)
    assert {"/jobs", "/jobs/{job_id}", "/generate", "/structures", "/references", "/workers"} <= failed


def test_keys_that_cannot_be_looked_up_are_not_described(client: TestClient, store: Store, tmp_path: Path) -> None:
    headers = bearer(make_key(store))
    with without(store, "api_keys"):
        answers = [call.send(client, headers) for call in guarded_calls(client.app)]  # type: ignore[arg-type]
    for answer in answers:
        assert answer.status_code in {500, 503}, "never let in"
        check_silent(answer.text, tmp_path)


def test_a_database_that_is_down_is_not_described(tmp_path: Path) -> None:
    url = "postgresql://someone:hidden@127.0.0.1:1/none"
    app = create_app(Settings(data_dir=tmp_path, database_url=url, prepare_database=False, keys="off"))
    with TestClient(app, "http://localhost", raise_server_exceptions=False) as client:
        for call in calls_of(app):
            if call.path != "/jobs/{job_id}/events":
                answer = call.send(client, {})
                assert answer.status_code not in {500}, call
                if answer.is_error:
                    check_silent(answer.text, tmp_path)
                    assert "hidden" not in answer.text


def test_a_broken_model_is_not_described(tmp_path: Path) -> None:
    models = tmp_path / "models"
    models.mkdir()
    (models / "broken.json").write_text("{}", encoding="utf-8")
    (models / "bare.json").write_text("[1", encoding="utf-8")
    app = create_app(Settings(data_dir=tmp_path, models_dir=models))
    with TestClient(app, "http://localhost", raise_server_exceptions=False) as client:
        for model in ("broken", "bare", "nothing", "../broken", str(models / "broken"), "\0"):
            answer = client.post("/generate", json={**LIS2, "model": model})
            assert answer.status_code in {422, 503}
            sent = str(models / "broken")
            check_silent(answer.text.replace(sent, "").replace(sent[:80], ""), tmp_path)  # what was sent may come back
        for path in ("/models", "/models/broken", "/models/..%2fbroken", "/models/nothing"):
            check_silent(client.get(path).text, tmp_path)


@pytest.mark.parametrize(
    "request_of",
    [
        {"url": "/generate", "content": b"{", "headers": {"Content-Type": "application/json"}},
        {"url": "/generate", "content": b"\xff\xfe", "headers": {"Content-Type": "application/json"}},
        {"url": "/generate", "content": b"[" * 100_000, "headers": {"Content-Type": "application/json"}},
        {"url": "/generate", "json": {"composition": "Li" * 5000}},
        {"url": "/generate", "json": {"composition": {"$gt": ""}, "n": "1; DROP TABLE jobs"}},
        {"url": "/generate", "json": {**LIS2, "n": 10**400}},
        {"url": "/references", "json": {"name": "x", "format": "cif", "content": "data_\nloop_\n_x"}},
        {"url": "/references", "json": {"name": "x", "format": "poscar", "content": "x\n1e999\n" * 3}},
        {"url": "/references", "json": {"name": "x", "format": "extxyz", "content": "1000000000\n\n"}},
    ],
    ids=str,
)
def test_what_cannot_be_read_is_told_and_the_reader_is_not(
    request_of: dict[str, object], client: TestClient, store: Store, tmp_path: Path
) -> None:
    headers = bearer(make_key(store)) | dict(request_of.get("headers", {}))  # type: ignore[call-overload]
    answer = client.post(**{**request_of, "headers": headers})
    assert 400 <= answer.status_code < 500
    assert answer.json()["detail"]
    check_silent(answer.text, tmp_path)


def test_a_key_is_shown_in_no_answer_and_no_log(
    client: TestClient, store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    key = make_key(store)
    secret_part = key.rpartition("_")[2]
    for call in guarded_calls(client.app):  # type: ignore[arg-type]
        for headers in (bearer(key), bearer(key[:-1] + "!"), {"X-API-Key": key}):
            answer = call.send(client, headers)
            assert secret_part[:20] not in f"{answer.text} {answer.headers}"
    logged = capsys.readouterr()
    assert key.split("_")[1] in logged.err, "the public part tells whose request it was"
    assert secret_part[:20] not in logged.err + logged.out
