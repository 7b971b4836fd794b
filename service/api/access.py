"""Who may do what: every route takes a :data:`Reader`, a :data:`Writer` or an :data:`Admin`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated, Final

from fastapi import Depends, Request, Security
from fastapi.concurrency import run_in_threadpool
from fastapi.security import APIKeyHeader, HTTPAuthorizationCredentials, HTTPBearer

from service.api.services import Use
from service.domain import ANONYMOUS, Principal, Scope
from service.domain.errors import KeyRequiredError, ScopeMissingError
from service.jobs import authenticate

_bearer: Final = HTTPBearer(
    scheme_name="key",
    bearerFormat="rmatch_<id>_<secret>",
    auto_error=False,
    description="A key of `rmatch keys create`.",
)
_header: Final = APIKeyHeader(name="X-API-Key", scheme_name="keyHeader", auto_error=False, description="The same key.")


def _require(scope: Scope) -> Callable[..., Awaitable[Principal]]:
    """The dependency that lets through whoever has the scope."""

    async def identify(
        request: Request,
        services: Use,
        bearer: Annotated[HTTPAuthorizationCredentials | None, Security(_bearer)],
        header: Annotated[str | None, Security(_header)],
    ) -> Principal:
        if services.key_secret is None:
            return ANONYMOUS
        text = bearer.credentials if bearer else header
        if not text:
            raise KeyRequiredError
        principal = await run_in_threadpool(authenticate, services.store, services.key_secret, text)
        request.state.principal = principal  # for the log
        if scope not in principal.scopes:
            raise ScopeMissingError(scope)
        return principal

    return identify


Reader = Annotated[Principal, Depends(_require(Scope.READ))]
"""Annotation of a route's parameter: whoever asks, and may read."""

Writer = Annotated[Principal, Depends(_require(Scope.WRITE))]
"""Whoever asks, and may submit, cancel and upload."""

Admin = Annotated[Principal, Depends(_require(Scope.ADMIN))]
"""Whoever asks, and may see what is everyone's."""
