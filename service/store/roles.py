"""What the roles of API and workers may do in PostgreSQL: what they need, and no more.

An API that was broken into can neither forge results nor make itself keys; a worker that was, can read no keys. The
roles are the operator's to create (``deploy/postgres/roles.sh``); the sweeper, who tidies up for the API, has its role.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from sqlalchemy import Connection, MetaData, Table, Text, column, select, table, text

from service.store.tables import (
    api_keys,
    chemical_system_elements,
    chunks,
    compositions,
    failed_samples,
    idempotency_keys,
    jobs,
    matches,
    models,
    opinion_requests,
    opinions,
    references,
    structure_atoms,
    structures,
    trainings,
    workers,
)

API_ROLE: Final = "rmatch_api"
WORKER_ROLE: Final = "rmatch_worker"
_SCHEMA_VERSION: Final = Table("alembic_version", MetaData())

_GRANTS: Final[Mapping[str, Mapping[Table, str]]] = {
    API_ROLE: {
        _SCHEMA_VERSION: "SELECT",
        jobs: "SELECT, INSERT, UPDATE (state, error, finished_at)",
        chunks: "SELECT, INSERT, UPDATE (state, announcements, lease_expires_at, due_at)",
        structures: "SELECT",
        structure_atoms: "SELECT",
        matches: "SELECT",
        failed_samples: "SELECT",
        chemical_system_elements: "SELECT, INSERT",
        compositions: "SELECT, INSERT",
        references: "SELECT, INSERT",
        idempotency_keys: "SELECT, INSERT, DELETE",
        models: "SELECT, INSERT, DELETE",
        trainings: "SELECT, INSERT",
        opinion_requests: "SELECT, INSERT",
        opinions: "SELECT",
        api_keys: "SELECT, UPDATE (last_used_at)",
        workers: "SELECT, DELETE",
    },
    WORKER_ROLE: {
        _SCHEMA_VERSION: "SELECT",
        jobs: "SELECT, UPDATE (state, error, started_at, finished_at)",
        chunks: "SELECT, UPDATE",
        structures: "SELECT, INSERT, UPDATE (energy_above_hull, representative_id, is_unique)",
        structure_atoms: "SELECT, INSERT",
        matches: "SELECT, INSERT",
        failed_samples: "SELECT, INSERT",
        chemical_system_elements: "SELECT",
        compositions: "SELECT",
        references: "SELECT",
        models: "SELECT, INSERT",
        trainings: "SELECT, UPDATE (state, curve)",
        opinion_requests: "SELECT",
        opinions: "SELECT, INSERT, UPDATE",
        workers: "SELECT, INSERT, UPDATE",
    },
}


def grant_roles(connection: Connection) -> None:
    """Give those of the roles that exist what they need of every table of the newest schema, and take all else away."""
    if connection.dialect.name != "postgresql":
        return
    name_of = connection.dialect.identifier_preparer.format_table
    pg_roles = table("pg_roles", column("rolname", Text))
    existing = select(pg_roles.c.rolname).where(pg_roles.c.rolname.in_(_GRANTS))
    for role in connection.scalars(existing).all():
        connection.execute(text(f"REVOKE ALL ON ALL TABLES IN SCHEMA public FROM {role}"))
        connection.execute(text(f"GRANT USAGE ON SCHEMA public TO {role}"))
        for target, privileges in _GRANTS[role].items():
            connection.execute(text(f"GRANT {privileges} ON {name_of(target)} TO {role}"))
