"""A Celery consumer that takes nothing from a message but the id of a chunk, and survives whatever lies in its queue.

Celery 5.7 ends, or never starts another task, on some messages with malformed headers, and does so again at every start
where the broker redelivers them. Messages are only wake-up calls here: one that cannot be understood is dropped.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from uuid import uuid4

from celery.worker.consumer import Consumer
from kombu.message import Message

from service.queue import TASK_NAME

_MALFORMED = (ValueError, TypeError, LookupError, AttributeError)
"""What kombu's transports raise on an envelope that is not theirs: no JSON, or JSON of another shape."""


class ResilientConsumer(Consumer):  # type: ignore[misc]  # celery has no types
    """The consumer that ``worker_consumer`` names."""

    connection_errors: tuple[type[BaseException], ...]

    def __init__(self, *args: object, **options: object) -> None:
        super().__init__(*args, **options)
        # By then the envelope has left the queue, so treating it as a broken connection goes on with the next message.
        self.connection_errors = (*self.connection_errors, *_MALFORMED)

    def create_task_handler(self, *args: object, **options: object) -> Callable[[Message], None]:
        """Celery's handler of received messages, given only well-formed ones."""
        handle = super().create_task_handler(*args, **options)

        def handle_or_drop(message: Message) -> None:
            chunk_id = read_chunk_id(message)
            if chunk_id is None:
                self.on_unknown_message(message.body, message)
                return
            message.headers = {"lang": "py", "task": TASK_NAME, "id": str(uuid4())}
            message.body = json.dumps([[chunk_id], {}, {}])
            handle(message)

        return handle_or_drop


def read_chunk_id(message: Message) -> str | None:
    """The id in a "run this chunk" message (protocol 2, JSON); None for any other message."""
    if not isinstance(message.headers, dict) or message.headers.get("task") != TASK_NAME:
        return None
    if message.content_type != "application/json":
        return None
    try:
        content = json.loads(message.body)
    except (ValueError, TypeError, RecursionError):
        return None
    match content:
        case [[str() as chunk_id], *_]:
            return chunk_id
        case _:
            return None
