"""A job followed by its events while the API is killed, and found again in the logs of all processes by one id."""

from __future__ import annotations

import json
from contextlib import ExitStack
from typing import Any

import httpx
import pytest
from processes import Running, run_rmatch
from servers import HOST, free_port, wait_until
from sse import Event, follow
from stacks import Stack

N = 40
REQUEST_ID = "asked-for-by.me-1"
JOB = {"composition": "C", "n": N, "formula_units": 2, "model": "diamond", "seed": 1}


def is_up(client: httpx.Client) -> bool:
    try:
        return client.get("/readyz").is_success
    except httpx.TransportError:
        return False


def lines(process: Running) -> list[dict[str, Any]]:
    """What a process has logged: every line is JSON, whichever library wrote it."""
    return [json.loads(line) for line in process.output().splitlines()]


@pytest.mark.parametrize("stack", ["servers"], indirect=True)
def test_a_job_is_followed_across_a_killed_api(stack: Stack) -> None:
    port = str(free_port())
    environment = {
        **stack.environment,
        "RMATCH_LOG_FORMAT": "json",
        "RMATCH_KEYS": "off",
        "RMATCH_CHUNK_MAX_SAMPLES": "2",
        "RMATCH_PREPARE_DATABASE": "false",
    }
    seen: list[Event] = []
    with ExitStack() as running:
        client = running.enter_context(httpx.Client(base_url=f"http://{HOST}:{port}"))
        first = running.enter_context(run_rmatch("api", "--port", port, environment=environment))
        wait_until(lambda: is_up(client), "the API starts")
        accepted = client.post("/generate", json=JOB, headers={"X-Request-ID": REQUEST_ID})
        assert (accepted.status_code, accepted.headers["x-request-id"]) == (202, REQUEST_ID)
        job_id = accepted.json()["id"]
        worker = running.enter_context(run_rmatch("worker", environment=environment))

        stream = follow(client, job_id)
        while len([event for event in seen if event.name == "structure"]) < 3:
            seen.append(next(stream))
        first.kill()
        stream.close()

        second = running.enter_context(run_rmatch("api", "--port", port, environment=environment))
        wait_until(lambda: is_up(client), "the API starts again")
        seen.extend(follow(client, job_id, seen[-1].id))
        (told,) = client.get("/workers").json()["items"]
        worker.stop()
        second.stop()

        assert (seen[-1].name, seen[-1].data) == ("end", "succeeded")
        structures = [event for event in seen if event.name == "structure"]
        assert [event.id for event in structures] == [str(k + 1) for k in range(N)]
        assert {event.json()["id"] for event in structures} == {view.id for view in stack.structures(job_id)}

        assert told["is_fresh"]
        asked = [line for line in lines(first) if line.get("request_id") == REQUEST_ID]
        assert [(line["event"], line["route"], line["status"]) for line in asked] == [("request", "/generate", 202)]
        done = [line for line in lines(worker) if line["event"] == "chunk_finished"]
        assert len(done) == N // 2 + 1
        assert {line["request_id"] for line in done} == {REQUEST_ID}
        assert any(line.get("logger", "").startswith("uvicorn") for line in lines(second))
        assert any(line.get("logger", "").startswith("celery") for line in lines(worker))
