"""The HTTP server: it says that it leaves before it goes."""

from __future__ import annotations

import signal
import threading
import time
from contextlib import suppress
from types import FrameType
from typing import Final

import uvicorn
from fastapi import FastAPI

from service.api.connections import LimitedConnection
from service.settings import Settings

_MAX_CONNECTIONS: Final = 900
"""More are answered 503. Most systems let a process open 1,024 files; the database takes up to 30 of them."""

_MAX_HEAD_BYTES: Final = 16 * 1024
_FINISH_SECONDS: Final = 10
"""Requests that are not answered this long after the last was accepted are broken off."""


class DrainingServer(uvicorn.Server):
    """On SIGTERM it turns ``draining`` on, which makes its readiness 503, and goes on answering for some seconds.

    So whoever distributes requests sends the next ones elsewhere before this process refuses any. Meanwhile connections
    are closed after their answer: a client that kept one would be cut off at the end. Ctrl-C, and a second SIGTERM, end
    it at once.
    """

    def __init__(self, config: uvicorn.Config, draining: threading.Event, drain_seconds: float) -> None:
        super().__init__(config)
        self._draining = draining
        self._drain_seconds = drain_seconds
        self._leaves_at: float | None = None

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to drain, or end."""
        if sig != signal.SIGTERM or self._leaves_at is not None:
            super().handle_exit(sig, frame)
            return
        self._leaves_at = time.monotonic() + self._drain_seconds
        self._draining.set()
        self.config.encoded_headers.append((b"connection", b"close"))  # taken up within a second

    async def on_tick(self, counter: int) -> bool:
        """Whether to end; asked ten times a second."""
        is_drained = self._leaves_at is not None and time.monotonic() >= self._leaves_at
        return await super().on_tick(counter) or is_drained


def serve(app: FastAPI, settings: Settings) -> None:
    """Serve the app on the host and port of the settings until told to stop."""
    config = uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        http=LimitedConnection,
        ws="none",
        limit_concurrency=_MAX_CONNECTIONS,
        h11_max_incomplete_event_size=_MAX_HEAD_BYTES,
        timeout_graceful_shutdown=_FINISH_SECONDS,
        log_config=None,  # every line goes the way that create_app has prepared
        access_log=False,
        server_header=False,
    )
    with suppress(KeyboardInterrupt):  # which uvicorn raises again when it has ended in order
        DrainingServer(config, app.state.draining, settings.drain_seconds).run()
