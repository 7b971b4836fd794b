"""Whatever lies in the queue, the worker goes on."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
import redis
from processes import run_rmatch
from stacks import Stack

from rm_engine.spec import GenerationSpec
from service.domain import JobState
from service.queue import QUEUE_NAME, TASK_NAME, make_celery

ENVELOPES = [b"", b"no json {", b"\xff\xfe", b"null", b"[1, 2]", b'{"body": "no headers"}']
HEADERS: list[dict[str, object]] = [
    {},
    {"task": TASK_NAME},
    {"task": TASK_NAME, "id": 5},
    {"task": ["x"], "id": "x"},
    {"task": "no.such.task", "id": "x"},
    {"task": "os.system", "id": "x"},
    {"task": TASK_NAME, "id": "x", "eta": "yesterday"},
    {"task": TASK_NAME, "id": "x", "timelimit": 5},
    {"task": TASK_NAME, "id": "x", "expires": {}},
]
BODIES: list[object] = [
    {"task": TASK_NAME},
    [],
    "text",
    [[], {}, {}],
    [["no-such-chunk"], {}, {}],
    [["\0"], {}, {}],
    [[{"an": "object"}], {}, {}],
    [["too", "many"], {}, 5],
]
SPEC = GenerationSpec(composition="C", n=1, formula_units=(2,), model="diamond", max_steps=20)


def put_raw(stack: Stack, envelope: bytes) -> None:
    """Put bytes where the broker keeps its messages."""
    if stack.settings.broker_url:
        with redis.Redis.from_url(stack.settings.broker_url) as client:
            client.lpush(QUEUE_NAME, envelope)
    else:
        name = f"{time.monotonic_ns() // 1_000_000}_{time.monotonic_ns()}.{QUEUE_NAME}.msg"
        Path(stack.settings.queue_dir, "messages", name).write_bytes(envelope)


def put_messages(stack: Stack) -> None:
    """Well-formed envelopes with every kind of nonsense inside."""
    app = make_celery(stack.settings)
    with app.connection_for_write() as connection:
        producer = connection.Producer()
        options = {"routing_key": QUEUE_NAME, "content_encoding": "utf-8"}
        for headers in HEADERS:
            producer.publish(json.dumps([["x"], {}, {}]), headers=headers, content_type="application/json", **options)
        for body in BODIES:
            headers = {"task": TASK_NAME, "id": "x"}
            producer.publish(json.dumps(body), headers=headers, content_type="application/json", **options)
        producer.publish(b"\x80\x04N.", content_type="application/x-python-serialize", **options)
    app.close()


@pytest.mark.timeout(120)
def test_a_worker_survives_what_is_no_message_of_ours(stack: Stack) -> None:
    with run_rmatch("worker", environment=stack.environment) as worker:
        assert stack.wait_for(stack.submit(SPEC, chunk_size=1)).state is JobState.SUCCEEDED
        for envelope in ENVELOPES:
            put_raw(stack, envelope)
        put_messages(stack)
        assert stack.wait_for(stack.submit(SPEC, chunk_size=1)).state is JobState.SUCCEEDED
        assert worker.is_alive()
