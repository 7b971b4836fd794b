"""What passes is tried again, safely; what does not is an error that says the way out."""

from __future__ import annotations

import json
from typing import Any

import pytest
from scripted import cut, drop, give, serve, stream

from rm_client import (
    AccessError,
    AnswerError,
    BusyError,
    Client,
    ClientError,
    InvalidRequestError,
    JobEndedError,
    NotFoundError,
    ProblemError,
    UnreachableError,
    calls,
)

JOB: dict[str, Any] = {
    "id": "1", "state": "running", "progress": 0.5, "n_steps": 3, "error": None, "spec": {"composition": "C"},
    "kind": "generate", "model": "diamond",
    "counts": {
        "requested": 2, "finished": 1, "generated": 1, "converged": 1, "failed": 0, "matched": 0, "unique": None,
    },
    "formulas": [{"formula": "C", "n": 2}], "created_at": "2026-01-01T00:00:00Z", "started_at": None,
    "finished_at": None, "links": {},
}  # fmt: skip
OVER = {**JOB, "state": "succeeded"}


def problem(status: int, code: str, *errors: dict[str, str]) -> dict[str, Any]:
    return {"type": "t", "title": "t", "status": status, "code": code, "detail": "It says why.", "errors": errors}


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calls, "POLL_SECONDS", 0.0)


def test_a_job_is_asked_for_again_under_one_key(connect: Any) -> None:
    busy = give(problem(503, "queue_full"), 503, Retry_After="0")
    with serve([drop, busy, cut, give(problem(429, "quota_exceeded"), 429, Retry_After="0"), give(JOB, 202)]) as script:
        assert connect(script.url).generate("C", n=2).id == "1"
    keys = {headers["Idempotency-Key"] for _, _, headers in script.asked}
    assert len(script.asked) == 5
    assert len(keys) == 1


def test_every_job_has_a_key_of_its_own(connect: Any) -> None:
    with serve([give(JOB, 202)]) as script:
        client = connect(script.url, api_key="secret")
        client.generate("C")
        client.generate("C")
        client.generate("C", idempotency_key="mine")
    keys = [headers["Idempotency-Key"] for _, _, headers in script.asked]
    assert len(set(keys)) == 3
    assert keys[2] == "mine"
    assert {headers["Authorization"] for _, _, headers in script.asked} == {"Bearer secret"}


def test_patience_ends_before_a_pause_that_is_too_long(connect: Any) -> None:
    with serve([give(problem(429, "quota_exceeded"), 429, Retry_After="3600")]) as script:
        with pytest.raises(BusyError) as refused:
            connect(script.url).generate("C")
    assert (refused.value.retry_after_seconds, len(script.asked)) == (3600, 1)


@pytest.mark.parametrize(
    ("status", "kind"), [(401, AccessError), (404, NotFoundError), (422, InvalidRequestError), (500, ProblemError)]
)
def test_problems_are_errors_of_their_own(connect: Any, status: int, kind: type[ProblemError]) -> None:
    field = {"field": "composition", "value": "Xx", "reason": "no element", "hint": "Give one.", "code": "c"}
    with serve([give(problem(status, "some_code", field), status)]) as script:
        with pytest.raises(ProblemError, match=r"It says why\.") as refused:
            connect(script.url).generate("Xx")
    error = refused.value
    assert type(error) is kind
    assert (error.code, error.field, error.value, error.hint) == ("some_code", "composition", "Xx", "Give one.")
    assert len(script.asked) == 1


def test_what_is_not_the_service_is_told(connect: Any) -> None:
    with serve([give("a proxy", 403), give("a page"), drop]) as script:
        client = connect(script.url, patience_seconds=0)
        with pytest.raises(AccessError, match="answers 403 Forbidden") as refused:
            client.models()
        with pytest.raises(AnswerError, match="Check the URL"):
            client.models()
        with pytest.raises(UnreachableError, match=r"does not answer .* Check the URL"):
            client.models()
    assert (refused.value.code, refused.value.field) == ("http_403", None)
    with pytest.raises(ClientError, match="Give one such as http://"):
        Client("localhost:8000")


def test_events_are_taken_up_where_they_broke_off(connect: Any) -> None:
    first = stream(("structure", "1", "{}"), ("job", "1", json.dumps(JOB)))
    second = stream(("job", "2", json.dumps(OVER)), ("end", "2", "succeeded"))
    with serve([first, drop, give(JOB), second]) as script:
        seen = [item.state for item in connect(script.url).follow("1")]
    assert seen == ["running", "running", "succeeded"]
    assert [path for _, path, _ in script.asked] == ["/jobs/1/events", "/jobs/1", "/jobs/1", "/jobs/1/events"]
    assert [script.asked[place][2]["Last-Event-ID"] for place in (0, 3)] == [None, "1"]


def test_a_job_is_polled_where_there_are_no_events(connect: Any) -> None:
    no_events = give(problem(404, "not_found"), 404)
    with serve([no_events, give(JOB), no_events, give(OVER)]) as script:
        seen = [item.state for item in connect(script.url).follow("1")]
    assert seen == ["running", "succeeded"]


def test_waiting_for_a_job_that_fails_says_why(connect: Any, capsys: pytest.CaptureFixture[str]) -> None:
    failed = {**JOB, "state": "failed", "error": "No sample gave a structure."}
    with serve([give(JOB), stream(("job", "1", json.dumps(failed)))]) as script:
        job = connect(script.url).job("1")
        with pytest.raises(JobEndedError, match="Job 1 failed: No sample gave a structure"):
            job.wait()
    assert job.item.is_over
    assert "C failed" in capsys.readouterr().err
