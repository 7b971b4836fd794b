"""The producer on real brokers: ids only, and never a long wait."""

from __future__ import annotations

import base64
import json
import socket
import time
from pathlib import Path

import pytest
import redis
from servers import HOST

from service.queue import QUEUE_NAME, TASK_NAME, ChunkQueue
from service.settings import Settings


def _check(message: dict[str, object], chunk_id: str) -> None:
    arguments, keywords, _ = json.loads(base64.b64decode(str(message["body"])))
    assert (message["headers"]["task"], arguments, keywords) == (TASK_NAME, [chunk_id], {})  # type: ignore[index]
    assert message["content-type"] == "application/json"


def test_the_filesystem_broker_gets_the_id(tmp_path: Path) -> None:
    queue = ChunkQueue(Settings(data_dir=tmp_path))
    assert queue.announce("chunk-1")
    queue.close()
    (message,) = (tmp_path / "queue" / "messages").iterdir()
    _check(json.loads(message.read_text()), "chunk-1")


def test_redis_gets_the_id(tmp_path: Path, redis_url: str) -> None:
    queue = ChunkQueue(Settings(data_dir=tmp_path, broker_url=redis_url))
    assert queue.announce("chunk-1")
    queue.close()
    with redis.Redis.from_url(redis_url) as client:
        _check(json.loads(client.lpop(QUEUE_NAME)), "chunk-1")  # type: ignore[arg-type]


@pytest.mark.parametrize("is_listening", [False, True], ids=["refuses", "is silent"])
def test_a_broker_that_is_down_is_given_up_soon(tmp_path: Path, is_listening: bool) -> None:
    with socket.socket() as server:
        server.bind((HOST, 0))
        if is_listening:
            server.listen()
        queue = ChunkQueue(Settings(data_dir=tmp_path, broker_url=f"redis://{HOST}:{server.getsockname()[1]}/0"))
        start = time.monotonic()
        assert not queue.announce("chunk-1")
        # a promise to callers, not a benchmark: without the limit it would be minutes
        assert time.monotonic() - start < 2
        queue.close()


def test_announcing_goes_on_when_the_broker_comes_back(tmp_path: Path, redis_url: str) -> None:
    queue = ChunkQueue(Settings(data_dir=tmp_path, broker_url=redis_url))
    assert queue.announce("chunk-1")
    with redis.Redis.from_url(redis_url) as client:
        client.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
    queue.announce("chunk-2")
    assert queue.announce("chunk-3")
    queue.close()
