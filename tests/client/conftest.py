"""The embedded service, started once for all tests here; both clients behind one face, so that tests hold for both."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from functools import partial
from typing import Any

import pytest
from servers import wait_until

from rm_client import AsyncClient, AsyncJob, Client
from rmatch.embedded import find_port, run_service
from service.settings import Settings

Connect = Callable[..., Any]
"""Opens a client as :class:`rm_client.Client` is opened."""


@pytest.fixture(scope="package")
def service_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A service of our own that gives lists in short pages."""
    folder = tmp_path_factory.mktemp("service")
    options: dict[str, Any] = {"database_url": "", "broker_url": "", "keys": "off", "default_page_size": 4}
    settings = Settings(data_dir=folder, prepare_database=True, worker_nice=0, **options)
    with run_service(settings, find_port(settings.host, 0), log=folder / "service.log") as service:
        with Client(service.url) as client:
            wait_until(lambda: next(client.references(), None), "the known crystals are there")
        yield service.url


@pytest.fixture(params=[Client, AsyncClient])
def connect(request: pytest.FixtureRequest) -> Iterator[Connect]:
    """Opens one client, then the other, that is closed after the test."""
    opened: list[Any] = []
    with asyncio.Runner() as runner:

        def open_client(url: str, **options: Any) -> Any:
            client = request.param(url, **options)
            opened.append(client if request.param is Client else Blocking(client, runner))
            return opened[-1]

        yield open_client
        for client in opened:
            client.close()


class Blocking:
    """An :class:`AsyncClient` or :class:`AsyncJob` whose methods are waited for."""

    def __init__(self, inner: Any, runner: asyncio.Runner) -> None:
        self._inner = inner
        self._runner = runner

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._inner, name)
        return partial(self._call, value) if inspect.ismethod(value) else value

    def _call(self, method: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        result = method(*arguments, **options)
        if isinstance(result, AsyncIterator):
            return iter(self._runner.run(_collect(result)))
        result = self._runner.run(_wait(result))
        return Blocking(result, self._runner) if isinstance(result, AsyncJob) else result


async def _collect(items: AsyncIterator[Any]) -> list[Any]:
    return [item async for item in items]


async def _wait(result: Awaitable[Any]) -> Any:
    return await result
