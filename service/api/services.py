"""What the routes work with."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

from fastapi import Depends, Request

from service.api.collector import StoreCollector
from service.api.feeds import JobFeeds
from service.api.instruments import Instruments
from service.api.probes import Probes
from service.api.slots import Slots
from service.queue import ChunkQueue
from service.sandbox import Sandbox
from service.security import are_keys_on, load_secret
from service.settings import Settings
from service.store import Store


@dataclass(frozen=True)
class Services:
    """The parts that live as long as the app.

    Attributes:
        settings: of the operator.
        store: the database.
        queue: to the workers.
        sandbox: where uploads are read.
        key_secret: under which keys are digested; None where none are asked for.
        probes: checks of database and broker.
        instruments: what is measured.
        feeds: jobs that are watched.
        slots: places for requests that write.
        exports: places for exports.
    """

    settings: Settings
    store: Store
    queue: ChunkQueue
    sandbox: Sandbox
    key_secret: bytes | None
    probes: Probes
    instruments: Instruments
    feeds: JobFeeds
    exports: Slots
    slots: Slots = field(default_factory=Slots)

    @classmethod
    def of(cls, settings: Settings) -> Services:
        """The parts that these settings ask for."""
        store, queue = Store(settings.resolved_database_url, settings.database_seconds), ChunkQueue(settings)
        probes = Probes.of(store, queue, settings.worker_heartbeat_seconds)
        instruments = Instruments(StoreCollector(store, probes, settings.worker_heartbeat_seconds))
        return cls(
            settings=settings,
            store=store,
            queue=queue,
            sandbox=Sandbox(settings.sandbox_seconds, settings.sandbox_memory_bytes),
            key_secret=load_secret(settings) if are_keys_on(settings) else None,
            probes=probes,
            instruments=instruments,
            feeds=JobFeeds(store, settings.max_event_streams, instruments.event_streams),
            exports=Slots(settings.max_exports, wait_seconds=0),
        )


async def _get_services(request: Request) -> Services:  # async, or it would have a thread of its own
    services: Services = request.app.state.services
    return services


Use = Annotated[Services, Depends(_get_services)]
"""Annotation of a route's parameter that takes the services."""
