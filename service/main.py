"""The HTTP application."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from importlib.metadata import version

from fastapi import FastAPI

from service.api import health, jobs, models, references, structures
from service.api.limits import BodyLimit
from service.api.problems import Problem, install_problem_handlers
from service.api.services import Services
from service.logs import configure_logging
from service.queue import ChunkQueue
from service.sandbox import Sandbox
from service.seeding import seed_beside
from service.settings import Settings
from service.store import Store

_DESCRIPTION = """
Proposes crystal structures and molecules for a composition, by Response Matching: random structures, relaxed on the
pseudo energy surface of a model that learned from the response of known structures to noise.

`POST /generate` queues a job; `GET /jobs/{id}` shows how far it is; `GET /structures` finds the results. Errors are
problem documents (RFC 9457) with a stable `code`.
"""


def create_app(settings: Settings | None = None) -> FastAPI:
    """The application; settings come from the environment unless given."""
    settings = settings or Settings()
    configure_logging(settings.log_format)
    services = Services(
        settings=settings,
        store=Store(settings.resolved_database_url),
        queue=ChunkQueue(settings),
        sandbox=Sandbox(settings.sandbox_seconds, settings.sandbox_memory_bytes),
    )
    app = FastAPI(
        title="rmatch",
        version=version("rmatch"),
        description=_DESCRIPTION,
        lifespan=_run,
        responses={"4XX": {"model": Problem, "description": "Problem document"}},
    )
    app.state.services = services
    app.add_middleware(BodyLimit, max_bytes=settings.max_body_bytes, seconds=settings.body_seconds)
    install_problem_handlers(app)
    for module in (jobs, structures, references, models, health):
        app.include_router(module.router)
    return app


@asynccontextmanager
async def _run(app: FastAPI) -> AsyncIterator[None]:
    services: Services = app.state.services
    with ExitStack() as stack:
        stack.callback(services.store.close)
        stack.callback(services.queue.close)
        if services.settings.prepare_database:
            services.store.migrate()
            stack.enter_context(seed_beside(services.settings.resolved_database_url))
        yield
