"""What tests of the service with keys share: keys, and calls of all its routes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from fastapi import FastAPI
from fastapi.routing import iter_route_contexts
from fastapi.testclient import TestClient
from httpx2 import Response
from packed import pack

from service.domain import Scope
from service.domain.keys import KeyRequest
from service.jobs import create_key
from service.store import Store

SECRET = "0123456789abcdef0123456789abcdef"
OPEN_PATHS = {
    "/healthz",
    "/readyz",
    "/openapi.json",
    "/docs",
    "/docs/start.js",
    "/docs/{name}",
    "/",
    "/web/{version}/{name}",
}
"""What is everybody's to see."""

_OPERATORS_PATHS = {"/metrics", "/workers"}
_POSCAR = "x\n1\n3 0 0\n0 3 0\n0 0 3\nLi\n1\nDirect\n0 0 0\n"
_BODIES = {
    "/generate": {"composition": "C", "n": 1, "model": "diamond"},
    "/models": {"name": "mine", "structures": [{"format": "poscar", "content": _POSCAR}]},
    "/opinions": {"query": {}},
    "/references": {"name": "x", "format": "poscar", "content": _POSCAR},
}


@dataclass(frozen=True)
class Call:
    """A method and the template of a path."""

    method: str
    path: str

    @property
    def scope(self) -> Scope:
        """The scope that it must ask for."""
        if self.path in _OPERATORS_PATHS:
            return Scope.ADMIN
        return Scope.READ if self.method == "GET" else Scope.WRITE

    def send(self, client: TestClient, headers: Any, **ids: str) -> Response:
        """Call it, for a model that is there and a job and structure that are not, unless others are given."""
        job_id = "0" * 26
        name = "mine" if self.method in {"PUT", "DELETE"} else "diamond"
        path = self.path.format(
            **{"job_id": job_id, "structure_id": f"{job_id}-00000", "name": name, "version": "0", **ids}
        )
        json = _BODIES.get(self.path) if self.method == "POST" else None
        content = pack("diamond") if self.method == "PUT" else None
        return client.request(self.method, path, headers=headers, json=json, content=content)


def calls_of(app: FastAPI) -> Iterator[Call]:
    """Every call that the app answers."""
    for route in iter_route_contexts(app.routes):
        for method in sorted(route.methods or ()):
            if method != "HEAD":
                yield Call(method, str(route.path))


def guarded_calls(app: FastAPI) -> list[Call]:
    """Every call that needs a key."""
    return [call for call in calls_of(app) if call.path not in OPEN_PATHS]


def code_of(answer: Response) -> str:
    """The code in a problem document, or in an error of OPTIMADE where it was asked for."""
    content = answer.json()
    if answer.url.path.startswith("/optimade/"):
        assert answer.headers["content-type"] == "application/vnd.api+json"
        assert set(content) == {"errors", "meta"}
        return str(content["errors"][0]["code"])
    assert answer.headers["content-type"] == "application/problem+json"
    assert set(content) == {"type", "title", "status", "code", "detail", "errors"}
    return str(content["code"])


def make_key(store: Store, group: str = "a", *scopes: Scope, **fields: Any) -> str:
    """A key of a group, with all scopes unless some are given; other fields are those of the request."""
    secret: str = fields.pop("secret", SECRET)
    request = KeyRequest(**{"name": "test", "group": group, "scopes": frozenset(scopes or Scope), **fields})
    return create_key(store, secret.encode(), request)[0].text


def make_short_key(store: Store) -> str:
    """A key that has expired as soon as it is made."""
    return make_key(store, lifetime=timedelta(microseconds=1))


def bearer(key: str) -> dict[str, str]:
    """The header that shows a key."""
    return {"Authorization": f"Bearer {key}"}
