"""Answers under ``/optimade`` as the OpenAPI document describes them."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, Field


class OptimadeQuery(BaseModel):
    """What was asked."""

    representation: str = Field(description="Path and query.", examples=['/structures?filter=elements HAS "Li"'])


class OptimadeMeta(BaseModel):
    """About the answer. OPTIMADE allows more fields."""

    query: OptimadeQuery = Field(description="The request that this answers.")
    api_version: str = Field(description="Of OPTIMADE.", examples=["1.2.0"])
    more_data_available: bool = Field(description="Whether there is a further page.")
    data_returned: int | None = Field(
        None, description="On all pages together; left out where counting would mean reading more than 10,000 rows."
    )
    time_stamp: str = Field(description="When it was answered.")
    provider: dict[str, Any] = Field(description="Who answers: name, description, prefix of own properties.")
    implementation: dict[str, Any] = Field(description="What answers: name, version, where it is kept.")
    warnings: list[dict[str, Any]] = Field([], description="What was passed over, such as other databases' properties.")


Meta = Annotated[OptimadeMeta, Field(description="About the answer.")]


class OptimadeEntry(BaseModel):
    """A structure, or a link; the attributes of structures stand in ``/optimade/v1/info/structures``."""

    id: str = Field(description="Its name in paths.")
    type: str = Field(description="`structures` or `links`.")
    attributes: dict[str, Any] = Field(description="Its properties by name.")


class OptimadeLinks(BaseModel):
    """Where to go on."""

    next: str | None = Field(description="Address of the next page; null on the last.")


class OptimadeList(BaseModel):
    """A page of entries."""

    data: list[OptimadeEntry] = Field(description="The entries of this page.")
    meta: Meta
    links: OptimadeLinks | None = Field(None, description="Where to go on.")


class OptimadeOne(BaseModel):
    """A single entry, or what is served."""

    data: dict[str, Any] = Field(description="The entry, or what is served.")
    meta: Meta


class OptimadeError(BaseModel):
    """An error of JSON:API."""

    status: str = Field(description="Status of the answer.")
    code: str = Field(description="Stable name of the problem.")
    title: str = Field(description="What the status is called.")
    detail: str = Field(description="What happened, and the way out, for people to read.")
    source: dict[str, str] | None = Field(None, description="The parameter that is wrong.")


class OptimadeErrors(BaseModel):
    """Why there is no answer."""

    errors: list[OptimadeError] = Field(description="One for each parameter that is wrong, or one alone.")
    meta: Meta
