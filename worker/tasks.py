"""The one Celery task: the id of a chunk comes in, everything else is in the database."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import structlog
from celery.signals import worker_process_init

from service.domain import StoreUnavailableError
from service.logs import configure_logging
from service.queue import TASK_NAME
from service.settings import Settings
from worker.app import app
from worker.limits import limit_process
from worker.shutdown import listen_for_stop

if TYPE_CHECKING:
    from worker.runner import ChunkRunner

_log = structlog.get_logger(__name__)


@app.task(name=TASK_NAME, Request="worker.request:ChunkRequest")
def run_chunk(chunk_id: str) -> None:
    """Run a chunk; one that cannot be run now stays in the database and is announced again."""
    try:
        _runner().run(str(chunk_id))
    except StoreUnavailableError as error:
        _log.warning("database_unavailable", chunk=chunk_id, error=str(error))


@worker_process_init.connect
def _prepare_process(**_details: object) -> None:
    """Listen for the parent's wish to stop, and load what takes seconds, before the first chunk comes."""
    listen_for_stop()
    settings = Settings()
    configure_logging(settings.log_format)
    limit_process(settings)
    _runner().presence.start()


@cache
def _runner() -> ChunkRunner:
    # The parent process registers this module's task as well, and has no use for torch.
    from worker.runner import ChunkRunner  # noqa: PLC0415

    return ChunkRunner(Settings())
