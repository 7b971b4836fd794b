"""The queue: how Celery reaches its broker, and the producer. Messages carry the id of a chunk and nothing else."""

from __future__ import annotations

from typing import Final

import structlog
from celery import Celery
from kombu.exceptions import OperationalError

from service.breaker import Breaker
from service.settings import Settings

TASK_NAME: Final = "worker.tasks.run_chunk"
QUEUE_NAME: Final = "rmatch"
_SEND_TIMEOUT_SECONDS: Final = 0.1
_OUTAGE_PAUSE_SECONDS: Final = 1.0
"""After the broker did not take two messages, none is sent for so long: no client waits, and the sweeper is there."""

_log = structlog.get_logger(__name__)


def make_celery(settings: Settings, *, producer: bool = False) -> Celery:
    """A Celery app on the configured broker: JSON only, no result backend, one queue.

    Args:
        settings: where the broker is.
        producer: give up on a silent broker soon instead of waiting for it.
    """
    app = Celery("rmatch", broker=settings.resolved_broker_url, set_as_current=False)
    app.conf.update(
        accept_content=["json"],
        task_serializer="json",
        task_ignore_result=True,
        task_default_queue=QUEUE_NAME,
        broker_transport_options=_transport_options(settings, producer=producer),
        broker_connection_retry_on_startup=True,
    )
    return app


class ChunkQueue:
    """Tells the workers about chunks. A message is only a wake-up call: losing one delays a chunk, no more."""

    def __init__(self, settings: Settings) -> None:
        self._app = make_celery(settings, producer=True)
        self._queue_dir = settings.queue_dir if _is_folder(settings) else None
        self._breaker = Breaker(_OUTAGE_PAUSE_SECONDS)

    def announce(self, chunk_id: str) -> bool:
        """Send the message "run this chunk"; False, within 300 ms, when the broker does not take it.

        While it takes none, only one message in a second is tried, and only its sender waits.
        """
        if not self._breaker.admits():
            return False
        is_taken = False
        try:
            self._app.send_task(TASK_NAME, args=[chunk_id], retry=False)
            is_taken = True
        except (OperationalError, OSError) as error:
            _log.warning("broker_unavailable", chunk=chunk_id, error=str(error)[:200])
        finally:
            self._breaker.settle(worked=is_taken)
        return is_taken

    def answers(self) -> bool:
        """Whether the broker takes connections; within half a second where its name is known."""
        try:
            with self._app.connection_for_write() as connection:
                connection.ensure_connection(max_retries=1)
        except (OperationalError, OSError):
            return False
        return self._queue_dir is None or self._queue_dir.is_dir()

    def is_empty(self) -> bool:
        """Whether no message waits for a worker; False where the broker does not say."""
        with self._app.connection_for_write() as connection:
            try:
                count: int = connection.default_channel.queue_declare(QUEUE_NAME).message_count
            except (*connection.connection_errors, *connection.channel_errors, OperationalError, OSError):
                return False
        return count == 0

    def close(self) -> None:
        """Close the connections."""
        self._app.close()


def _transport_options(settings: Settings, *, producer: bool) -> dict[str, object]:
    if _is_folder(settings):
        folders = {name: settings.queue_dir / name for name in ("messages", "processed", "control")}
        for folder in folders.values():
            folder.mkdir(parents=True, exist_ok=True)
        return {
            "data_folder_in": str(folders["messages"]),
            "data_folder_out": str(folders["messages"]),
            "processed_folder": str(folders["processed"]),
            "control_folder": str(folders["control"]),
        }
    if not producer:
        return {}
    return {
        "socket_connect_timeout": _SEND_TIMEOUT_SECONDS,
        "socket_timeout": _SEND_TIMEOUT_SECONDS,
        "max_retries": 0,
    }


def _is_folder(settings: Settings) -> bool:
    return settings.resolved_broker_url.startswith("filesystem://")
