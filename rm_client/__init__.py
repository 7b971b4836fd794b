"""A client of the service: ``Client``, and ``AsyncClient`` for asyncio. It knows nothing but the HTTP interface."""

from rm_client.answers import JobItem, ModelDetail, ModelItem, ReferenceItem, StructureDetail, StructureItem
from rm_client.asynchronous import AsyncClient, AsyncJob
from rm_client.errors import (
    AccessError,
    AnswerError,
    BusyError,
    ClientError,
    ConflictError,
    InvalidRequestError,
    JobEndedError,
    NotFoundError,
    ProblemError,
    UnreachableError,
)
from rm_client.synchronous import Client, Job, Structure

__all__ = [
    "AccessError",
    "AnswerError",
    "AsyncClient",
    "AsyncJob",
    "BusyError",
    "Client",
    "ClientError",
    "ConflictError",
    "InvalidRequestError",
    "Job",
    "JobEndedError",
    "JobItem",
    "ModelDetail",
    "ModelItem",
    "NotFoundError",
    "ProblemError",
    "ReferenceItem",
    "Structure",
    "StructureDetail",
    "StructureItem",
    "UnreachableError",
]
