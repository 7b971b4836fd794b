"""Answers under ``/optimade`` as the OpenAPI document describes them."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field


class OptimadeQuery(BaseModel):
    """What was asked."""

    representation: str = Field(examples=['/structures?filter=elements HAS "Li"'])


class OptimadeMeta(BaseModel):
    """About the answer. OPTIMADE allows more fields."""

    query: OptimadeQuery
    api_version: str
    more_data_available: bool
    data_returned: int | None = Field(
        None, description="On all pages together; left out where counting would mean reading more than 10,000 rows."
    )
    time_stamp: str
    provider: dict[str, Any]
    implementation: dict[str, Any]
    warnings: list[dict[str, Any]] = []


class OptimadeEntry(BaseModel):
    """A structure, or a link; the attributes of structures stand in ``/optimade/v1/info/structures``."""

    id: str
    type: str
    attributes: dict[str, Any]


class OptimadeLinks(BaseModel):
    """Where to go on."""

    next: str | None


class OptimadeList(BaseModel):
    """A page of entries."""

    data: list[OptimadeEntry]
    meta: OptimadeMeta
    links: OptimadeLinks | None = None


class OptimadeOne(BaseModel):
    """A single entry, or what is served."""

    data: dict[str, Any]
    meta: OptimadeMeta


class OptimadeError(BaseModel):
    """An error of JSON:API."""

    status: str
    code: str
    title: str
    detail: str
    source: dict[str, str] | None = None


class OptimadeErrors(BaseModel):
    """Why there is no answer."""

    errors: list[OptimadeError]
    meta: OptimadeMeta
