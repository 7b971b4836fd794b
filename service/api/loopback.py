"""Without keys the service answers this machine only.

A page on the web can make a browser ask the service on its own machine: by a name that it lets point to 127.0.0.1 (DNS
rebinding), whose requests carry that name as their host, or from its own origin, which browsers send along.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from service.api.problems import problem_response
from service.security import is_loopback


@dataclass(frozen=True)
class LoopbackOnly:
    """ASGI middleware that refuses what did not come to a loopback address, by its name, from a page of its own.

    Attributes:
        app: what the rest goes to.
        allowed_origins: of other pages that may ask.
    """

    app: ASGIApp
    allowed_origins: Collection[str] = ()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the app on the request, or refuse it."""
        strange = self._find_strange(scope) if scope["type"] == "http" else None
        if strange is None:
            await self.app(scope, receive, send)
            return
        way_out = "Ask by http://127.0.0.1, or set RMATCH_KEYS=on"
        detail = f"Without keys only this machine is answered, and {strange}. {way_out}."
        await problem_response(403, "not_this_machine", detail)(scope, receive, send)

    def _find_strange(self, scope: Scope) -> str | None:
        """What of the request is not of this machine, in words."""
        headers = Headers(scope=scope)
        address, _ = scope.get("server") or ("", None)
        if not (is_loopback(address) or address.startswith("/")):  # a path: a socket that is a file
            return f"the request came to {address[:80]!r}"
        host = headers.get("host", "")
        if not is_loopback(_name_of(f"//{host}")):
            return f"its host is {host[:80]!r}"
        origin = headers.get("origin")
        if origin is not None and origin not in self.allowed_origins and not is_loopback(_name_of(origin)):
            return f"it was sent by a page of {origin[:80]!r}"
        return None


def _name_of(url: str) -> str:
    """The host in a URL, without its port; none where it is malformed."""
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""
