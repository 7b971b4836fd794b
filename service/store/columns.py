"""What the tables are made of: names of constraints, kinds of columns."""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, Column, DateTime, Enum, Integer, MetaData, String, Text, TypeDecorator
from sqlalchemy.engine import Dialect
from sqlalchemy.schema import SchemaItem
from sqlalchemy.types import TypeEngine

from service.domain import PUBLIC_GROUP

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

ID = String(64).with_variant(String(64, collation="C"), "postgresql")
"""Compared byte by byte on both databases, so that the order of ids is the same everywhere."""


class UtcDateTime(TypeDecorator[datetime]):
    """A time that knows it is UTC; SQLite would forget."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """To UTC."""
        return value if value is None else value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """SQLite gives the naive UTC time back, PostgreSQL an aware one in the session's zone."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def choice(kind: type[StrEnum], name: str) -> Enum:
    """One of the values of an enumeration, kept by a constraint."""
    return Enum(
        kind,
        name=name,
        native_enum=False,
        create_constraint=True,
        length=16,
        values_callable=lambda members: [member.value for member in members],
    )


OPTIONAL_JSON = JSON(none_as_null=True)


def required(name: str, kind: TypeEngine[Any] | type[TypeEngine[Any]], *items: SchemaItem) -> Column[Any]:
    """A column that has a value in every row."""
    return Column(name, kind, *items, nullable=False)


def count(name: str) -> Column[Any]:
    """A number that begins at 0."""
    return Column(name, Integer, nullable=False, default=0)


def group() -> Column[Any]:
    """Whose the row is; the default is for workers of the version before, which know of no groups."""
    return Column("group_name", Text, nullable=False, server_default=PUBLIC_GROUP)
