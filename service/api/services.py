"""What the routes work with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from service.queue import ChunkQueue
from service.sandbox import Sandbox
from service.settings import Settings
from service.store import Store


@dataclass(frozen=True)
class Services:
    """The parts that live as long as the app."""

    settings: Settings
    store: Store
    queue: ChunkQueue
    sandbox: Sandbox


def _get_services(request: Request) -> Services:
    services: Services = request.app.state.services
    return services


Use = Annotated[Services, Depends(_get_services)]
"""Annotation of a route's parameter that takes the services."""
