"""The worker's Celery app: the one place where Celery is configured.

Delivery is at least once: a message is acknowledged when its chunk is over. One that is lost all the same is a lost
wake-up call and no more: leases in the database, not the broker, decide who runs what.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import warnings
from typing import Any, Final

from celery import Celery
from celery.exceptions import SecurityWarning
from celery.signals import celeryd_after_setup, setup_logging, worker_ready, worker_shutting_down

from service.logs import configure_logging
from service.queue import make_celery
from service.settings import Settings
from worker.shutdown import Shutdown

_START_SECONDS: Final = 120
"""A child imports torch before it is ready."""

_LOST_WAIT_SECONDS: Final = 0.1
"""The pool would wait for the last words of a child that died; ours says them to the database."""

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
        # A child that hangs is killed; one that runs stops by itself before.
        task_time_limit=settings.chunk_seconds + settings.chunk_kill_seconds,
        worker_lost_wait=_LOST_WAIT_SECONDS,
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
    """Run a worker in this process until SIGTERM or SIGINT: the chunk in work is finished where that takes no longer
    than ``soft_shutdown_seconds``, else, or where the signal comes again, given back.
    """
    # Root is fine: the warning is about pickle, and only JSON is accepted.
    warnings.filterwarnings("ignore", category=SecurityWarning)
    sys.__stdout__ = None  # type: ignore[misc]  # where Celery, past all logging, would say that it stops
    settings = Settings()
    shutdown = Shutdown(settings)
    worker_shutting_down.connect(lambda **_: shutdown.request(), weak=False)
    # Celery's answer to a second SIGINT would be to kill the child.
    worker_ready.connect(lambda **_: signal.signal(signal.SIGINT, signal.getsignal(signal.SIGTERM)), weak=False)
    app.worker_main(
        ["--quiet", "worker", f"--loglevel={log_level}", "--without-gossip", "--without-mingle", "--without-heartbeat"]
    )


def _consumer_options(settings: Settings) -> dict[str, Any]:
    if settings.resolved_broker_url.startswith("filesystem://"):
        return {"polling_interval": _FILE_POLL_SECONDS}
    return {"unacked_restore_interval": _UNACKED_RESTORE_SECONDS, "unacked_restore_throttle": 1}


@setup_logging.connect
def _configure_logging(loglevel: int, **_details: object) -> None:
    """In the parent and in its child: Celery, which would configure logging in its own way, leaves it to us."""
    configure_logging(Settings().log_format, loglevel or logging.INFO)


@celeryd_after_setup.connect
def _hush_billiard(**_details: object) -> None:
    """Celery tells the pool to let its children log in a way of its own until they are set up, and so the pool does."""
    os.environ.pop("_MP_FORK_LOGLEVEL_", None)


app = make_worker_app(Settings())
