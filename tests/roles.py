"""The database roles of API and workers in tests: made by the script of the deployment."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from servers import HOST, PostgresServer

SCRIPT = Path(__file__).parents[1] / "deploy" / "postgres" / "roles.sh"


@contextmanager
def created_roles(server: PostgresServer) -> Iterator[None]:
    """The roles while the context lasts. The script runs twice: the second time it only changes the passwords."""
    environment = {
        "PATH": f"{server.binaries}:{os.environ['PATH']}",
        "PGHOST": HOST,
        "PGPORT": str(server.port),
        "POSTGRES_USER": "rmatch",
        "POSTGRES_DB": "postgres",
        "POSTGRES_API_PASSWORD": "it's one",
        "POSTGRES_WORKER_PASSWORD": "another",
    }
    for _ in range(2):
        subprocess.run(["sh", SCRIPT], env=environment, check=True, timeout=60)
    try:
        yield
    finally:
        with psycopg.connect(server.url("postgres"), autocommit=True) as connection:
            connection.execute("DROP ROLE rmatch_api, rmatch_worker")


def as_role(url: str, role: str) -> str:
    """The URL of a database for another role than its owner."""
    return url.replace("rmatch@", f"{role}@", 1)
