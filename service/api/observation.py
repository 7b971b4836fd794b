"""What is written down of each request: an id, a line of the log, and counts for ``/metrics``."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, field
from typing import Annotated, Final
from uuid import uuid4

import structlog
from fastapi import Depends, Request
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.api.instruments import Instruments

REQUEST_ID_HEADER: Final = "X-Request-ID"
_WELL_FORMED_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")
_MAX_PATH: Final = 200
_OTHER: Final = "other"
"""The route of what matches none: a label for each path that anybody tries would fill the memory."""

_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_ROUTINE: Final = frozenset({"/healthz", "/readyz", "/metrics"})
"""Asked for every few seconds by machines: lines only where something is wrong."""

_log = structlog.get_logger(__name__)


async def _read_request_id(request: Request) -> str:  # async, or it would have a thread of its own
    request_id: str = request.state.request_id
    return request_id


RequestId = Annotated[str, Depends(_read_request_id)]
"""Annotation of a route's parameter that takes the id of the request."""


@dataclass(frozen=True)
class Observation:
    """ASGI app around the whole application, what handles unexpected errors included.

    A client's ``X-Request-ID`` is kept where it is well-formed, and made otherwise; it is in the answer, in every line
    that is logged meanwhile, and in the job.
    """

    app: ASGIApp
    instruments: Instruments

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the app on the request, and say how it went."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        exchange = _Exchange(scope, send)
        with (
            structlog.contextvars.bound_contextvars(request_id=exchange.request_id),
            self.instruments.in_flight.track_inprogress(),
        ):
            try:
                await self.app(scope, receive, exchange.send)
            finally:
                self.instruments.count_request(
                    exchange.method, exchange.route, exchange.status, exchange.seconds_to_answer
                )
                exchange.log()


@dataclass
class _Exchange:
    """A request and what was answered so far; 500 until anything was."""

    scope: Scope
    pass_on: Send
    request_id: str = ""
    status: int = 500
    _began: float = field(default_factory=time.perf_counter)
    _answered: float | None = None

    def __post_init__(self) -> None:
        given = Headers(scope=self.scope).get(REQUEST_ID_HEADER, "")
        self.request_id = given if _WELL_FORMED_ID.fullmatch(given) else uuid4().hex
        self.scope.setdefault("state", {})["request_id"] = self.request_id

    async def send(self, message: Message) -> None:
        """Note the status, and add the id."""
        if message["type"] == "http.response.start":
            self.status, self._answered = message["status"], time.perf_counter()
            MutableHeaders(scope=message)[REQUEST_ID_HEADER] = self.request_id
        await self.pass_on(message)

    @property
    def method(self) -> str:
        method: str = self.scope["method"]
        return method if method in _METHODS else _OTHER

    @property
    def route(self) -> str:
        """Template of the path, such as ``/jobs/{job_id}``."""
        return getattr(self.scope.get("route"), "path", _OTHER)

    @property
    def seconds_to_answer(self) -> float:
        """Until the answer began: how long a client takes to read it, or a stream lasts, is another matter."""
        return (self._answered or time.perf_counter()) - self._began

    def log(self) -> None:
        """Write the line of this request."""
        client = self.scope.get("client")
        principal = self.scope["state"].get("principal")
        write = _log.debug if self.route in _ROUTINE and self.status < 400 else _log.info
        write(
            "request",
            method=self.method,
            route=self.route,
            path=self.scope["path"][:_MAX_PATH],
            status=self.status,
            duration_ms=round(1000 * (time.perf_counter() - self._began), 1),
            key_id=principal.key_id if principal else "",
            client=client[0] if client else "",
        )
