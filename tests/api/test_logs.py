"""Logs: a line for each request, ids that go along, and nothing in it that a client could use or forge."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
from fastapi.testclient import TestClient

from service.domain import Scope
from service.domain.keys import KeyRequest
from service.jobs import create_key
from service.logs import configure_logging
from service.main import create_app
from service.security import load_secret
from service.settings import Settings
from service.store import Store

URL = "http://localhost"
JOB = {"composition": "Li2S", "model": "toy", "n": 1}


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    """One database: none of this is a matter of which."""
    return f"sqlite:///{tmp_path / 'test.sqlite3'}"


@pytest.fixture(autouse=True)
def _logging(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The test's own client keeps silent, and the rest of the suite finds logging as it was."""
    monkeypatch.setattr(logging.getLogger("httpx2"), "disabled", True)
    yield
    configure_logging("console")
    logging.getLogger().setLevel(logging.WARNING)


@pytest.fixture
def logged(settings: Settings, store: Store) -> Iterator[TestClient]:
    """The app with its log as JSON."""
    app = create_app(settings.model_copy(update={"log_format": "json"}))
    with TestClient(app, URL, raise_server_exceptions=False) as client:
        yield client


def lines(capsys: pytest.CaptureFixture[str], event: str = "request") -> list[dict[str, Any]]:
    """The events of that name since the last look."""
    parsed = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    return [line for line in parsed if line["event"] == event]


def test_every_request_is_one_line(logged: TestClient, capsys: pytest.CaptureFixture[str]) -> None:
    answer = logged.get("/jobs?state=queued", headers={"X-Request-ID": "abc-1"})
    (line,) = lines(capsys)
    assert line.pop("duration_ms") >= 0
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "event": "request",
        "level": "info",
        "method": "GET",
        "route": "/jobs",
        "path": "/jobs",
        "status": 200,
        "request_id": "abc-1",
        "key_id": "",
        "client": "testclient",
    }
    assert answer.headers["x-request-id"] == "abc-1"


@pytest.mark.parametrize("given", ["", "x" * 65, "a b", "a;b", 'a"b', "a%0ab", "\x7f"])
def test_an_id_that_is_not_well_formed_is_replaced(logged: TestClient, given: str) -> None:
    answer = logged.get("/models", headers={"X-Request-ID": given})
    assert len(answer.headers["x-request-id"]) == 32


def test_each_request_gets_an_id_of_its_own(logged: TestClient) -> None:
    assert len({logged.get("/models").headers["x-request-id"] for _ in range(5)}) == 5


def test_the_job_keeps_the_id_of_its_request(logged: TestClient, store: Store) -> None:
    job = logged.post("/generate", json=JOB, headers={"X-Request-ID": "from-outside"}).json()["id"]
    with store.reading() as tx:
        (stored,) = tx.connection.exec_driver_sql("SELECT id, request_id FROM jobs").all()
    assert tuple(stored) == (job, "from-outside")


def test_refusals_and_failures_carry_the_id_too(logged: TestClient, capsys: pytest.CaptureFixture[str]) -> None:
    @logged.app.get("/fail")  # type: ignore[attr-defined, untyped-decorator]
    def fail() -> None:
        raise RuntimeError("what broke")

    for path, status in (("/fail", 500), ("/nothing", 404), ("/jobs?limit=x", 422)):
        answer = logged.get(path, headers={"X-Request-ID": "seen"})
        assert (answer.status_code, answer.headers["x-request-id"]) == (status, "seen")
    told = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert {line["request_id"] for line in told} == {"seen"}
    assert [line["status"] for line in told if line["event"] == "request"] == [500, 404, 422]
    (failure,) = [line for line in told if line["event"] == "unexpected_error"]
    assert "what broke" in failure["exception"]


def test_what_matches_no_route_is_called_other_and_cut(logged: TestClient, capsys: pytest.CaptureFixture[str]) -> None:
    logged.request("BREW", "/" + "x" * 5000)
    (line,) = lines(capsys)
    assert (line["method"], line["route"], len(line["path"])) == ("other", "other", 200)


def test_probes_are_lines_only_where_something_is_wrong(logged: TestClient, capsys: pytest.CaptureFixture[str]) -> None:
    logged.get("/healthz")
    logged.get("/readyz")
    logged.get("/metrics")
    assert not lines(capsys)
    logged.get("/readyz?strict=true")  # there is no worker
    assert [line["status"] for line in lines(capsys)] == [503]


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_no_client_can_forge_a_line(
    settings: Settings, store: Store, capsys: pytest.CaptureFixture[str], log_format: str
) -> None:
    hostile = "/jobs/%0A%7B%22event%22%3A%22forged%22%7D%0D%1B%5B31m%C2%85%E2%80%A8"
    app = create_app(settings.model_copy(update={"log_format": log_format}))
    with TestClient(app, URL) as client:
        client.get(hostile, headers={"User-Agent": "x\tforged"})
    written = capsys.readouterr().err
    assert len(written.splitlines()) == 1
    assert all(character.isprintable() for character in written.rstrip("\n"))


def test_a_key_is_never_logged_wherever_a_client_puts_it(
    settings: Settings, store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    guarded = settings.model_copy(update={"keys": "on", "key_secret": "0123456789abcdef" * 4})
    key, _ = create_key(store, load_secret(guarded), KeyRequest(name="test", group="g", scopes=frozenset(Scope)))
    secret = key.text.removeprefix(f"rmatch_{key.id}_")
    with TestClient(create_app(guarded), URL, raise_server_exceptions=False) as client:
        headers = {"Authorization": f"Bearer {key.text}"}
        answers = [
            client.get("/jobs", headers=headers),
            client.get("/jobs", headers={"X-API-Key": key.text[:-1] + ("1" if key.text[-1] == "0" else "0")}),
            client.get(f"/jobs/{key.text}", headers=headers),
            client.get(f"/structures?job={key.text}", headers=headers),
            client.post("/generate", json={"composition": key.text}, headers=headers),
            client.get("/jobs", headers={"X-Request-ID": key.text}),
        ]
    written = capsys.readouterr().err
    assert [answer.status_code for answer in answers] == [200, 401, 404, 422, 422, 401]
    assert len(written.splitlines()) == len(answers)
    assert key.id in written
    assert secret not in written
    assert secret[:-1] not in written


def test_bodies_are_never_logged(settings: Settings, store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    with TestClient(create_app(settings), URL, raise_server_exceptions=False) as client:
        client.post("/generate", json={**JOB, "composition": "Xx7-private"})
        with store.transaction() as tx:
            tx.connection.exec_driver_sql("DROP TABLE idempotency_keys")
        refused = client.post("/generate", json={**JOB, "seed": 424242}, headers={"Idempotency-Key": "k-private"})
    assert refused.status_code in {500, 503}
    written = capsys.readouterr().err
    assert "idempotency_keys" in written
    assert "private" not in written
    assert "424242" not in written


def test_libraries_log_as_we_do(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("uvicorn", "uvicorn.error", "celery"):  # whatever another test of this process made of them
        monkeypatch.setattr(logging.getLogger(name), "disabled", False)
        monkeypatch.setattr(logging.getLogger(name), "propagate", True)
    configure_logging("json")
    configure_logging("json")  # the API configures, and so does what runs beside it
    with structlog.contextvars.bound_contextvars(request_id="r"):
        logging.getLogger("uvicorn.error").warning("Invalid %s\n", "request")
        try:
            raise ValueError("why")
        except ValueError:
            logging.getLogger("celery").log(25, "in between", exc_info=True)
    logging.getLogger("kombu").info("chatter")
    first, second = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert (first["event"], first["logger"], first["level"]) == ("Invalid request\n", "uvicorn.error", "warning")
    assert (second["logger"], second["level"], second["request_id"]) == ("celery", "info", "r")
    assert "ValueError: why" in second["exception"]


def test_passwords_in_urls_are_cut_out(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("json")
    logging.getLogger("driver").error("no connection to postgresql://rmatch:hunter2!x@db:5432/rmatch")
    written = capsys.readouterr().err
    assert "postgresql://rmatch:***@db:5432/rmatch" in written
