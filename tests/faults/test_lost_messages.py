"""The broker forgets its messages: whoever waits for a worker waits no longer for having been announced so often."""

from __future__ import annotations

from pathlib import Path

import redis
from servers import HOST, free_port
from stacks import Stack

from rm_engine.spec import GenerationSpec
from service.domain.ids import chunk_id_of
from service.jobs import claim_chunk, list_due_chunks, mark_announced
from service.queue import ChunkQueue
from service.settings import Settings
from worker.sweeper import sweep

N_CHUNKS = 3
SPEC = GenerationSpec(composition="C", n=N_CHUNKS, formula_units=(2,), model="diamond")
A_DAY = 86_400.0


def submit_and_announce(stack: Stack) -> str:
    """A job whose chunks were announced; the next messages about them are due tomorrow."""
    job_id = stack.submit(SPEC, chunk_size=1)
    with stack.store.transaction() as tx:
        tx.chunks.forget_announcements()
    mark_announced(stack.store, list_due_chunks(stack.store), A_DAY)
    return job_id


def lose_messages(stack: Stack) -> None:
    """As FLUSHALL does, or somebody who tidies up."""
    if stack.settings.broker_url:
        with redis.Redis.from_url(stack.settings.broker_url) as client:
            client.flushall()
    else:
        for message in Path(stack.settings.queue_dir, "messages").iterdir():
            message.unlink()


def test_lost_messages_are_sent_again_at_once(stack: Stack) -> None:
    assert stack.queue.is_empty()
    submit_and_announce(stack)
    assert not stack.queue.is_empty()
    assert sweep(stack.store, stack.queue, stack.settings) == 0, "they wait in the queue"
    lose_messages(stack)
    assert stack.queue.is_empty()
    assert sweep(stack.store, stack.queue, stack.settings) == N_CHUNKS
    assert sweep(stack.store, stack.queue, stack.settings) == 0


def test_what_is_in_work_is_not_announced(stack: Stack) -> None:
    job_id = submit_and_announce(stack)
    assert claim_chunk(stack.store, chunk_id_of(job_id, 0), "worker", A_DAY) is not None
    lose_messages(stack)
    assert sweep(stack.store, stack.queue, stack.settings) == N_CHUNKS - 1


def test_a_broker_that_is_away_has_lost_nothing(tmp_path: Path) -> None:
    queue = ChunkQueue(Settings(data_dir=tmp_path, broker_url=f"redis://{HOST}:{free_port()}/0"))
    assert not queue.is_empty()
    queue.close()
