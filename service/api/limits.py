"""The size of requests, counted while they stream in: what a client says about it beforehand may be wrong."""

from __future__ import annotations

from dataclasses import dataclass

from fastapi import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send


@dataclass(frozen=True)
class BodyLimit:
    """ASGI middleware that lets no body through that is longer than ``max_bytes``."""

    app: ASGIApp
    max_bytes: int

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the app on the request."""
        n_bytes = 0

        async def receive_counted() -> Message:
            nonlocal n_bytes
            message = await receive()
            n_bytes += len(message.get("body", b""))
            if n_bytes > self.max_bytes:
                raise HTTPException(413, f"The body is longer than {self.max_bytes:,} bytes. Send less at once.")
            return message

        await self.app(scope, receive_counted, send)
