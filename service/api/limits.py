"""The size of requests and the time they take to arrive, measured while they stream in: what a client says about it
beforehand may be wrong, and one that is slow must not keep anything for ever.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from fastapi import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send


@dataclass(frozen=True)
class BodyLimit:
    """ASGI middleware that lets no body through that is longer than ``max_bytes`` or takes longer than ``seconds``."""

    app: ASGIApp
    max_bytes: int
    seconds: float

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the app on the request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        deadline = asyncio.get_running_loop().time() + self.seconds
        n_bytes, is_complete = 0, False

        async def receive_limited() -> Message:
            nonlocal n_bytes, is_complete
            if is_complete:  # what comes now is the end of the connection, which may stay open for long
                return await receive()
            try:
                async with asyncio.timeout_at(deadline):
                    message = await receive()
            except TimeoutError as error:
                raise _refuse(408, f"The body did not arrive within {self.seconds:g} s. Send less at once.") from error
            n_bytes += len(message.get("body", b""))
            if n_bytes > self.max_bytes:
                raise _refuse(413, f"The body is longer than {self.max_bytes:,} bytes. Send less at once.")
            is_complete = not message.get("more_body", False)
            return message

        await self.app(scope, receive_limited, send)


def _refuse(status: int, detail: str) -> HTTPException:
    """The error for a body of which the rest is not wanted, nor the connection on which it would come."""
    return HTTPException(status, detail, headers={"Connection": "close"})
