"""The app with keys on both databases, once for each module: setting up is what takes the time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from fastapi.testclient import TestClient
from keyed import SECRET
from servers import PostgresServer

from service.main import create_app
from service.settings import Settings
from service.store import Store


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def client(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, postgres_server: PostgresServer
) -> Iterator[TestClient]:
    """Somebody on another machine, without a key."""
    with ExitStack() as stack:
        is_server = request.param == "postgresql"
        url = stack.enter_context(postgres_server.new_database()) if is_server else ""
        folder = tmp_path_factory.mktemp("service")
        settings = Settings(data_dir=folder, database_url=url, prepare_database=False, keys="on", key_secret=SECRET)
        app = create_app(settings)
        app.state.services.store.migrate()
        outside = "https://rmatch.example.org"
        yield stack.enter_context(TestClient(app, outside, raise_server_exceptions=False, follow_redirects=False))


@pytest.fixture(scope="module")
def store(client: TestClient) -> Store:
    """The database of the app."""
    found: Store = client.app.state.services.store  # type: ignore[attr-defined]
    return found
