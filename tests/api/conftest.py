"""The app on both databases, with the queue of files and a model that knows lithium, phosphorus and sulphur."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from databases import database_url, store
from fastapi.testclient import TestClient

from rm_engine.spec import ModelCard, PotentialConfig
from service.main import create_app
from service.settings import Settings
from service.store import Store

__all__ = ["database_url", "store"]

URL = "http://localhost"  # without keys, no other host is answered

CARD = ModelCard(
    name="toy",
    potential=PotentialConfig(
        elements=(3, 15, 16),
        n_embedding=2,
        cutoff=4.0,
        l_max=2,
        nu_max=2,
        readout_hidden=(8,),
        separate_receiver_embedding=False,
    ),
    volumes={"Li": 15.0, "P": 20.0, "S": 20.0},
    reference_energies={"Li": -1.0},
    training={"source": "a box of toys"},
)


@pytest.fixture
def settings(tmp_path: Path, database_url: str) -> Settings:
    models = tmp_path / "models"
    models.mkdir()
    (models / "toy.json").write_text(CARD.to_json(), encoding="utf-8")
    return Settings(
        data_dir=tmp_path,
        database_url=database_url,
        models_dir=models,
        max_body_bytes=100_000,
        max_page_size=100,
        prepare_database=False,
        keys="off",
    )


@pytest.fixture
def client(settings: Settings, store: Store) -> Iterator[TestClient]:
    """A client that sees a failure as the client of a server would: as a 500."""
    with TestClient(create_app(settings), URL, raise_server_exceptions=False) as client:
        yield client
