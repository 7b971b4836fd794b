"""The roles of API and workers in a real PostgreSQL: all that each does works, all else is refused."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
from fastapi.testclient import TestClient
from psycopg.errors import InsufficientPrivilege
from roles import as_role, created_roles
from servers import PostgresServer

from rm_engine.spec import GenerationSpec
from service.domain import JobState, Scope
from service.domain.ids import chunk_id_of
from service.domain.keys import KeyRequest
from service.jobs import claim_chunk, create_key, list_due_chunks, release_chunk, seed_known_crystals, submit_job
from service.main import create_app
from service.queue import ChunkQueue
from service.settings import Settings
from service.store import Store
from worker.runner import ChunkRunner
from worker.sweeper import sweep

SECRET = "0123456789abcdef0123456789abcdef"
JOB = {"composition": "C", "n": 2, "formula_units": 2, "model": "diamond", "max_steps": 100}
POSCAR = "x\n1\n3 0 0\n0 3 0\n0 0 3\nLi\n1\nDirect\n0 0 0\n"


@pytest.fixture
def _roles(postgres_server: PostgresServer) -> Iterator[None]:
    with created_roles(postgres_server):
        yield


@pytest.fixture
def owner_url(_roles: None, postgres_url: str) -> str:
    """A migrated database with known crystals, as its owner sees it."""
    with closing(Store(postgres_url)) as store:
        store.migrate()
        store.migrate()
        seed_known_crystals(store)
    return postgres_url


def make_settings(tmp_path: Path, url: str) -> Settings:
    return Settings(
        data_dir=tmp_path, database_url=url, prepare_database=False, key_secret=SECRET, worker_heartbeat_seconds=0.1
    )


def test_the_api_lives_as_its_role(owner_url: str, tmp_path: Path) -> None:
    with closing(Store(owner_url)) as store:
        key, _ = create_key(store, SECRET.encode(), KeyRequest(name="all", group="a", scopes=frozenset(Scope)))
    settings = make_settings(tmp_path, as_role(owner_url, "rmatch_api"))
    with TestClient(create_app(settings), headers={"Authorization": f"Bearer {key.text}"}) as client:
        first, again = (client.post("/generate", json=JOB, headers={"Idempotency-Key": "k"}) for _ in range(2))
        assert (first.status_code, again.json()) == (202, first.json())
        other = client.post("/generate", json=JOB).json()["id"]
        assert client.delete(f"/jobs/{other}").json()["state"] == "cancelled"
        assert client.post("/references", json={"name": "x", "format": "poscar", "content": POSCAR}).status_code == 201
        for path in ("/jobs", f"/jobs/{other}", "/structures?hull=true", "/references", "/models", "/workers"):
            assert client.get(path).status_code == 200, path
        for path in ("/metrics", "/healthz", "/readyz"):
            assert client.get(path).status_code == 200, path
    with closing(Store(settings.resolved_database_url)) as store, closing(ChunkQueue(settings)) as queue:
        assert sweep(store, queue, settings) == 0, "the first job was announced when it came"
    with closing(Store(owner_url)) as store, store.reading() as tx:
        found = tx.keys.find(key.id)
        assert found is not None
        assert found.last_used_at is not None


def test_a_worker_runs_a_job_to_its_end_as_its_role(owner_url: str, tmp_path: Path) -> None:
    settings = make_settings(tmp_path, as_role(owner_url, "rmatch_worker"))
    spec = GenerationSpec(composition="C", n=3, formula_units=(2,), model="diamond", max_steps=100)
    with closing(Store(owner_url)) as store, closing(ChunkRunner(settings)) as runner:
        job_id = submit_job(store, spec)
        given_back = claim_chunk(store, list_due_chunks(store)[0], "another", 60.0)
        assert given_back is not None
        assert release_chunk(store, given_back)
        runner.presence.start()
        for chunk_id in (chunk_id_of(job_id, number) for number in range(2)):
            runner.run(chunk_id)
        runner.presence.stop()
        with store.reading() as tx:
            assert tx.job_views.get(job_id, "public").state is JobState.SUCCEEDED
            assert len(tx.workers.reports()) == 1


REFUSED_BOTH = (
    "CREATE TABLE mine (x integer)",
    "DROP TABLE jobs",
    "DELETE FROM jobs",
    "DELETE FROM structures",
    "TRUNCATE structures",
    "UPDATE jobs SET group_name = 'mine'",
    "UPDATE jobs SET spec = '{}'",
    "UPDATE structures SET pseudo_energy_per_atom = -9",
    "UPDATE structures SET group_name = 'mine'",
    "UPDATE structure_atoms SET atoms = '{}'",
    "UPDATE matches SET rms = 0",
    "UPDATE \"references\" SET name = 'mine'",
    "INSERT INTO api_keys SELECT * FROM api_keys",
    "UPDATE api_keys SET scopes = '[\"admin\"]'",
    "UPDATE api_keys SET revoked_at = NULL",
    "DELETE FROM api_keys",
    "SELECT source FROM imports",
    "DELETE FROM imports",
    "UPDATE alembic_version SET version_num = '0001'",
)
REFUSED_API = (
    "INSERT INTO structures SELECT * FROM structures",
    "INSERT INTO structure_atoms SELECT * FROM structure_atoms",
    "INSERT INTO matches SELECT * FROM matches",
    "INSERT INTO failed_samples SELECT * FROM failed_samples",
    "UPDATE structures SET energy_above_hull = 0",
    "UPDATE structures SET is_unique = true",
    "UPDATE chunks SET attempt = 0",
    "UPDATE chunks SET worker = 'mine'",
    "INSERT INTO workers SELECT * FROM workers",
)
REFUSED_WORKER = (
    "SELECT digest FROM api_keys",
    "SELECT id FROM api_keys",
    "SELECT digest FROM idempotency_keys",
    "DELETE FROM idempotency_keys",
    "INSERT INTO jobs SELECT * FROM jobs",
    "INSERT INTO chunks SELECT * FROM chunks",
    'INSERT INTO "references" SELECT * FROM "references"',
)


@pytest.mark.parametrize(
    ("role", "statements"),
    [("rmatch_api", REFUSED_BOTH + REFUSED_API), ("rmatch_worker", REFUSED_BOTH + REFUSED_WORKER)],
)
def test_each_is_refused_what_it_does_not_need(owner_url: str, role: str, statements: tuple[str, ...]) -> None:
    with psycopg.connect(as_role(owner_url, role), autocommit=True) as connection:
        for statement in statements:
            with pytest.raises(InsufficientPrivilege):
                assert not connection.execute(statement.encode()), f"{role} may {statement}"


def test_what_was_granted_besides_is_taken_away(owner_url: str) -> None:
    with psycopg.connect(owner_url, autocommit=True) as connection:
        connection.execute("GRANT SELECT ON api_keys TO rmatch_worker")
        connection.execute("GRANT UPDATE (group_name) ON jobs TO rmatch_api")
    with closing(Store(owner_url)) as store:
        store.migrate()
    for role, statement in (
        ("rmatch_worker", b"SELECT id FROM api_keys"),
        ("rmatch_api", b"UPDATE jobs SET group_name = 'x'"),
    ):
        with psycopg.connect(as_role(owner_url, role)) as connection, pytest.raises(InsufficientPrivilege):
            connection.execute(statement)
