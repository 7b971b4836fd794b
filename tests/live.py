"""The API as a server on a port of this machine, in a thread of the test."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import uvicorn
from servers import HOST, wait_until

from service.main import create_app
from service.settings import Settings


class Server(uvicorn.Server):
    """The API in a thread, with little room for what its clients do not read."""

    def __init__(self, settings: Settings) -> None:
        self.app = create_app(settings)
        self.socket = socket.create_server((HOST, 0))
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 16384)
        self.address = self.socket.getsockname()
        super().__init__(uvicorn.Config(self.app, log_config=None, access_log=False, timeout_graceful_shutdown=5))

    @property
    def n_streams(self) -> int:
        n: int = self.app.state.services.feeds.n_streams
        return n

    @contextmanager
    def running(self) -> Iterator[httpx.Client]:
        thread = threading.Thread(target=self.run, args=([self.socket],))
        thread.start()
        try:
            wait_until(lambda: self.started, "the API starts")
            with httpx.Client(base_url=f"http://{HOST}:{self.address[1]}") as client:
                yield client
        finally:
            self.should_exit = True
            thread.join()
