"""The worker's Celery app: the one place where Celery is configured.

Delivery is at least once: a message is acknowledged when its chunk is over. One that is lost all the same is a lost
wake-up call and no more: leases in the database, not the broker, decide who runs what.
"""

from __future__ import annotations

import os
import warnings
from contextlib import suppress
from typing import Any, Final

from billiard.process import active_children
from celery import Celery
from celery.exceptions import SecurityWarning
from celery.signals import worker_shutting_down

from service.queue import make_celery
from service.settings import Settings
from worker.lease import STOP_SIGNAL

CHUNK_TIME_LIMIT_SECONDS: Final = 4 * 3600
"""No chunk takes nearly so long; what does, hangs, and its process is replaced."""

_START_SECONDS: Final = 120
"""A child imports torch before it is ready."""

_FILE_POLL_SECONDS: Final = 0.2
_UNACKED_RESTORE_SECONDS: Final = 60


def make_worker_app(settings: Settings) -> Celery:
    """The Celery app of a worker on the configured broker."""
    app = make_celery(settings)
    app.conf.update(
        include=("worker.tasks",),
        worker_consumer="worker.consumer:ResilientConsumer",
        # A forked child hangs once torch was used in its parent; threads and solo pools ignore time limits.
        worker_pool="prefork",
        worker_pool_start_method="spawn",
        worker_concurrency=1,
        worker_prefetch_multiplier=1,
        worker_proc_alive_timeout=_START_SECONDS,
        task_acks_late=True,
        task_reject_on_worker_lost=True,
        task_time_limit=CHUNK_TIME_LIMIT_SECONDS,
        broker_connection_max_retries=None,
        broker_transport_options={**app.conf.broker_transport_options, **_consumer_options(settings)},
        # Nothing listens to events or remote control, and both would be one more way in.
        worker_enable_remote_control=False,
        worker_send_task_events=False,
        worker_redirect_stdouts=False,
        worker_hijack_root_logger=False,
    )
    return app


def run_worker(log_level: str = "INFO") -> None:
    """Run a worker in this process until SIGTERM or SIGINT; a chunk in work is then given back."""
    # Root is fine: the warning is about pickle, and only JSON is accepted.
    warnings.filterwarnings("ignore", category=SecurityWarning)
    app.worker_main(
        ["--quiet", "worker", f"--loglevel={log_level}", "--without-gossip", "--without-mingle", "--without-heartbeat"]
    )


def _consumer_options(settings: Settings) -> dict[str, Any]:
    if settings.resolved_broker_url.startswith("filesystem://"):
        return {"polling_interval": _FILE_POLL_SECONDS}
    return {"unacked_restore_interval": _UNACKED_RESTORE_SECONDS, "unacked_restore_throttle": 1}


@worker_shutting_down.connect
def _stop_children(**_details: object) -> None:
    """In the parent, on SIGTERM or SIGINT: tell the children, which would otherwise work their chunk to its end."""
    for child in active_children():
        with suppress(ProcessLookupError):
            os.kill(child.pid, STOP_SIGNAL)


app = make_worker_app(Settings())
