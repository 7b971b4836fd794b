"""What every answer tells browsers: to load nothing, to show it in no frame, to keep nothing, to guess nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_EVERYWHERE: Final[dict[str, str]] = {
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",  # what is shown to one key is nobody else's
}
"""A route that sets one of them means it."""

_OVER_TLS: Final[dict[str, str]] = {"Strict-Transport-Security": "max-age=31536000"}


@dataclass(frozen=True)
class SecureHeaders:
    """ASGI middleware that adds the headers to every answer, those to failures too."""

    app: ASGIApp

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the app on the request."""
        added = _EVERYWHERE | _OVER_TLS if scope.get("scheme") == "https" else _EVERYWHERE

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in added.items():
                    headers.setdefault(name, value)
            await send(message)

        await self.app(scope, receive, send_with_headers)
