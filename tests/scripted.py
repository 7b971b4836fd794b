"""A server that answers as a script says, so that what goes wrong on the way can be had on purpose."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Reply = Callable[["Handler"], None]


@dataclass
class Script:
    """What is answered next, and what was asked.

    Attributes:
        replies: one for each request, in order; the last one for all after it.
        url: where it answers.
        asked: method, path and headers of every request.
    """

    replies: list[Reply]
    url: str = ""
    asked: list[tuple[str, str, Message]] = field(default_factory=list)


class Handler(BaseHTTPRequestHandler):
    """Answers by the script of its server."""

    script: Script

    def reply(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.script.asked.append((self.command, self.path, self.headers))
        replies = self.script.replies
        (replies.pop(0) if len(replies) > 1 else replies[0])(self)

    do_GET = do_POST = do_DELETE = reply  # noqa: N815  # as the library wants them

    def log_message(self, *_: Any) -> None:
        """Tests say what they want to say."""


def give(body: object, status: int = 200, **headers: str) -> Reply:
    """JSON with a status and headers."""

    def reply(handler: Handler) -> None:
        content = json.dumps(body).encode()
        handler.send_response(status)
        for name, value in {"Content-Length": str(len(content)), **headers}.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()
        handler.wfile.write(content)

    return reply


def drop(handler: Handler) -> None:
    """Close the connection without a word."""
    handler.connection.shutdown(socket.SHUT_RDWR)


def cut(handler: Handler) -> None:
    """Promise more than comes."""
    give({"id": "1"}, Content_Length="1000")(handler)


def stream(*events: tuple[str, str, str]) -> Reply:
    """Server-sent events (name, id, data), after which the connection ends."""

    def reply(handler: Handler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Type", "text/event-stream")
        handler.end_headers()
        for name, number, data in events:
            handler.wfile.write(f"event: {name}\nid: {number}\ndata: {data}\n\n".encode())

    return reply


@contextmanager
def serve(replies: Sequence[Reply]) -> Iterator[Script]:
    """A server that follows these replies while the context lasts."""
    script = Script(list(replies))
    handler = type("Scripted", (Handler,), {"script": script})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        script.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield script
        finally:
            server.shutdown()
            thread.join()
