"""The app with keys, on both databases."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from databases import database_url, store
from fastapi.testclient import TestClient
from keyed import SECRET

from service.main import create_app
from service.settings import Settings
from service.store import Store

__all__ = ["database_url", "store"]


@pytest.fixture
def settings(tmp_path: Path, database_url: str) -> Settings:
    fields = {"data_dir": tmp_path, "database_url": database_url, "prepare_database": False}
    return Settings(**fields, keys="on", key_secret=SECRET)


@pytest.fixture
def client(settings: Settings, store: Store) -> Iterator[TestClient]:
    """Somebody on another machine, without a key."""
    url = "https://rmatch.example.org"
    with TestClient(create_app(settings), url, raise_server_exceptions=False, follow_redirects=False) as client:
        yield client
