"""The HTTP application."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager, closing
from importlib.metadata import version
from typing import Any

from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp

from service.api import (
    downloads,
    events,
    health,
    jobs,
    metrics,
    models,
    opinions,
    pages,
    references,
    structures,
    trainings,
    web,
    workers,
)
from service.api.contract import complete
from service.api.headers import SecureHeaders
from service.api.limits import BodyLimit
from service.api.loopback import LoopbackOnly
from service.api.observation import Observation
from service.api.problems import install_problem_handlers
from service.api.services import Services
from service.logs import configure_logging
from service.optimade import routes as optimade
from service.optimade.errors import dress, dress_document
from service.security import check_exposure
from service.seeding import seed_beside
from service.settings import Settings
from service.store import Store

_DESCRIPTION = """
Proposes crystal structures and molecules for a composition, by Response Matching: random structures, relaxed on the
pseudo energy surface of a model that learned from the response of known structures to noise.

`POST /generate` queues a job; `GET /jobs/{id}` shows how far it is; `GET /structures` finds the results. Errors are
problem documents (RFC 9457) with a stable `code`.
"""


class Application(FastAPI):
    """FastAPI within what must see the answers to failures too: those are made outside of all its own middleware."""

    def build_middleware_stack(self) -> ASGIApp:
        """The app as the server calls it."""
        return Observation(SecureHeaders(super().build_middleware_stack()), self.state.services.instruments)

    def openapi(self) -> dict[str, Any]:
        """The OpenAPI document, with the problems that every route may answer with."""
        if self.openapi_schema is None:
            self.openapi_schema = dress_document(complete(super().openapi()))
        return self.openapi_schema


def create_app(settings: Settings | None = None) -> FastAPI:
    """The application; settings come from the environment unless given.

    Raises:
        ServiceError: the service would be open to strangers, see :func:`service.security.check_exposure`.
    """
    settings = settings or Settings()
    check_exposure(settings)
    configure_logging(settings.log_format)
    services = Services.of(settings)
    app = Application(
        title="rmatch",
        version=version("rmatch"),
        description=_DESCRIPTION,
        lifespan=_run,
        docs_url=None,
        redoc_url=None,
        generate_unique_id_function=lambda route: route.name,
    )
    app.state.services = services
    app.state.draining = threading.Event()  # set when the process is about to end
    app.add_middleware(BodyLimit, max_bytes=settings.max_body_bytes, seconds=settings.body_seconds)
    _add_gates(app, services)
    install_problem_handlers(app, dress)
    for module in (
        jobs, events, downloads, structures, opinions, references, models, trainings, workers, metrics, health, pages,
        web,
    ):  # fmt: skip
        app.include_router(module.router)
    for router in optimade.routers:
        app.include_router(router)
    return app


def _add_gates(app: FastAPI, services: Services) -> None:
    """Who is answered at all: pages of allowed origins; without keys, this machine. What is added last comes first."""
    origins = services.settings.allowed_origins
    if origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=origins,
            allow_methods=("GET", "POST", "PUT", "DELETE"),
            allow_headers=("Authorization", "X-API-Key", "Content-Type", "Idempotency-Key", "Last-Event-ID"),
            expose_headers=("Location", "Retry-After", "WWW-Authenticate", "X-Request-ID"),
        )
    if services.key_secret is None:
        app.add_middleware(LoopbackOnly, allowed_origins=origins)


@asynccontextmanager
async def _run(app: FastAPI) -> AsyncIterator[None]:
    services: Services = app.state.services
    with ExitStack() as stack:
        stack.callback(services.store.close)
        stack.callback(services.queue.close)
        if services.settings.prepare_database:
            with closing(Store(services.settings.resolved_database_url)) as store:  # one that may take its time
                store.migrate()
            stack.enter_context(seed_beside(services.settings.resolved_database_url))
        yield
