"""Errors of the client: what the service refuses, as its problem documents say it, and what else may go wrong."""

from __future__ import annotations

from typing import Final, Self

import httpx
from pydantic import ValidationError

from rm_client.answers import JobItem, Problem


class ClientError(Exception):
    """Something went wrong; the message says what, and the way out."""


class UnreachableError(ClientError):
    """The service does not answer."""

    @classmethod
    def of(cls, url: httpx.URL, error: httpx.TransportError) -> Self:
        """The error for what went wrong on the way."""
        return cls(f"{url} does not answer ({error}). Check the URL, and that the service runs there.")


class AnswerError(ClientError):
    """What answers is not this service, or another version of it."""


class JobEndedError(ClientError):
    """A job that was waited for failed or was cancelled.

    Attributes:
        item: the job.
    """

    def __init__(self, item: JobItem) -> None:
        super().__init__(f"Job {item.id} {item.state}{f': {item.error}' if item.error else '.'}")
        self.item = item


class ProblemError(ClientError):
    """The service refused.

    Attributes:
        problem: its problem document.
        code: stable name of the problem.
        field: the first field that is wrong; None where it is none of them.
        value: what that field was given.
        hint: the way out.
        retry_after_seconds: when it says to come again.
    """

    def __init__(self, problem: Problem, retry_after_seconds: float | None = None) -> None:
        super().__init__(problem.detail)
        first = problem.errors[0] if problem.errors else None
        self.problem = problem
        self.code = problem.code
        self.field = first and first.field
        self.value = first and first.value
        self.hint = first and first.hint
        self.retry_after_seconds = retry_after_seconds


class InvalidRequestError(ProblemError):
    """The request is not one that the service takes."""


class AccessError(ProblemError):
    """The key is missing, does not hold, or does not allow this."""


class NotFoundError(ProblemError):
    """There is no such thing, or it belongs to another group."""


class ConflictError(ProblemError):
    """What is there does not allow it any more."""


class BusyError(ProblemError):
    """The service has no room now, or cannot work now."""


_CLASSES: Final = {
    400: InvalidRequestError,
    401: AccessError,
    403: AccessError,
    404: NotFoundError,
    409: ConflictError,
    413: InvalidRequestError,
    422: InvalidRequestError,
    429: BusyError,
    502: BusyError,
    503: BusyError,
    504: BusyError,
}


def explain_refusal(response: httpx.Response) -> ProblemError:
    """The error that a response stands for."""
    status = response.status_code
    try:
        problem = Problem.model_validate_json(response.content)
    except ValidationError:  # a proxy answers in words of its own
        title = response.reason_phrase or "refused"
        detail = f"{response.url} answers {status} {title}."
        problem = Problem(type="about:blank", title=title, status=status, code=f"http_{status}", detail=detail)
    retry_after = response.headers.get("Retry-After", "")
    seconds = float(retry_after) if retry_after.isdecimal() else None  # a proxy may give a date
    return _CLASSES.get(status, ProblemError)(problem, seconds)
