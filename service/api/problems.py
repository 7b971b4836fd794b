"""Errors as HTTP says them: problem documents (RFC 9457) with a stable code."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.responses import Response

from rm_engine.errors import CheckpointError, InputError, ModelNotFoundError
from service.domain import (
    BusyError,
    JobFinishedError,
    KeyReusedError,
    ModelInUseError,
    NameTakenError,
    NotFoundError,
    StoreUnavailableError,
)
from service.domain.errors import (
    InvalidKeyError,
    KeyRequiredError,
    NoRoomError,
    QueueFullError,
    QuotaExceededError,
    ScopeMissingError,
)

MEDIA_TYPE: Final = "application/problem+json"
RETRY_AFTER_SECONDS: Final = "5"
_TITLES: Final = {413: "Content Too Large", 422: "Unprocessable Content"}
"""As RFC 9110 has them; Python does since 3.13."""

_log = structlog.get_logger(__name__)


class FieldError(BaseModel):
    """What is wrong with one field of a request, and the way out."""

    field: str = Field(description="Name of the field or parameter.")
    value: str = Field(description="What it was, cut to 80 characters.")
    reason: str = Field(description="What is wrong with it.")
    hint: str = Field(description="The way out.")
    code: str = Field(description="Stable name of the fault.")


class Problem(BaseModel):
    """A problem document."""

    type: str = Field(description="The code as a URI.", examples=["urn:rmatch:problem:unknown_element"])
    title: str = Field(description="What the status is called.")
    status: int = Field(description="Status of the answer.")
    code: str = Field(description="Stable name of the problem.", examples=["unknown_element"])
    detail: str = Field(description="What happened, and the way out, for people to read.")
    errors: list[FieldError] = Field([], description="The fields that are wrong, where it is about fields.")

    @classmethod
    def of(cls, status: int, code: str, detail: str, errors: Sequence[FieldError] = ()) -> Problem:
        """The document for a code of :data:`service.api.catalog.PROBLEMS`."""
        title = _TITLES.get(status, HTTPStatus(status).phrase)
        return cls(
            type=f"urn:rmatch:problem:{code}", title=title, status=status, code=code, detail=detail, errors=list(errors)
        )


def problem_response(
    status: int,
    code: str,
    detail: str,
    errors: Sequence[FieldError] = (),
    headers: Mapping[str, str] | None = None,
) -> Response:
    """The response that carries a problem document."""
    # in ASCII: what the client sent may hold surrogates, which UTF-8 cannot
    content = json.dumps(Problem.of(status, code, detail, errors).model_dump()).encode("ascii")
    return Response(content, status, headers, MEDIA_TYPE)


def install_problem_handlers(app: FastAPI, finish: Callable[[Request, Response], Response]) -> None:
    """Let every error of the app answer with a problem document, or with what ``finish`` makes of it."""
    for kind, handle in _handlers().items():
        app.add_exception_handler(kind, lambda request, error, handle=handle: finish(request, handle(request, error)))


def _handlers() -> dict[type[Exception], Callable[[Request, Any], Response]]:
    return {
        InputError: _handle_input,
        ModelNotFoundError: _handle_unknown_model,
        CheckpointError: _handle_unusable_model,
        NotFoundError: _handle_not_found,
        JobFinishedError: _handle_finished_job,
        NameTakenError: _handle_taken_name,
        ModelInUseError: _handle_model_in_use,
        KeyReusedError: _handle_reused_key,
        StoreUnavailableError: _handle_store_unavailable,
        BusyError: _handle_busy,
        QuotaExceededError: _handle_exceeded_quota,
        QueueFullError: _handle_full_queue,
        KeyRequiredError: _handle_missing_key,
        InvalidKeyError: _handle_invalid_key,
        ScopeMissingError: _handle_missing_scope,
        RequestValidationError: _handle_validation,
        HTTPException: _handle_http,
        Exception: _handle_unexpected,
    }


def _handle_input(_request: Request, error: InputError) -> Response:
    shown = FieldError(field=error.field, value=error.value, reason=error.reason, hint=error.hint, code=error.code)
    return problem_response(422, error.code, str(error), [shown])


def _handle_unknown_model(_request: Request, error: ModelNotFoundError) -> Response:
    shown = FieldError(
        field="model", value=error.name, reason=str(error), hint="GET /models lists the models.", code="unknown_model"
    )
    return problem_response(422, "unknown_model", str(error), [shown])


def _handle_unusable_model(_request: Request, error: CheckpointError) -> Response:
    _log.error("unusable_model", error=str(error))
    detail = "The files of the model cannot be used. The operator can mend them."
    return problem_response(503, "unusable_model", detail, headers={"Retry-After": RETRY_AFTER_SECONDS})


def _handle_not_found(_request: Request, error: NotFoundError) -> Response:
    return problem_response(404, f"unknown_{error.kind}", str(error))


def _handle_finished_job(_request: Request, error: JobFinishedError) -> Response:
    return problem_response(409, "job_finished", str(error))


def _handle_taken_name(_request: Request, error: NameTakenError) -> Response:
    return problem_response(409, "name_taken", str(error))


def _handle_model_in_use(_request: Request, error: ModelInUseError) -> Response:
    return problem_response(409, "model_in_use", str(error))


def _handle_reused_key(_request: Request, error: KeyReusedError) -> Response:
    return problem_response(422, "idempotency_key_reused", str(error))


def _handle_missing_key(_request: Request, error: KeyRequiredError) -> Response:
    return problem_response(401, "key_required", str(error), headers={"WWW-Authenticate": "Bearer"})


def _handle_invalid_key(_request: Request, error: InvalidKeyError) -> Response:
    headers = {"WWW-Authenticate": 'Bearer error="invalid_token"'}
    return problem_response(401, "invalid_key", str(error), headers=headers)


def _handle_missing_scope(_request: Request, error: ScopeMissingError) -> Response:
    headers = {"WWW-Authenticate": f'Bearer error="insufficient_scope", scope="{error.scope}"'}
    return problem_response(403, "scope_missing", str(error), headers=headers)


def _handle_busy(_request: Request, error: BusyError) -> Response:
    return problem_response(503, "busy", str(error), headers={"Retry-After": RETRY_AFTER_SECONDS})


def _handle_exceeded_quota(_request: Request, error: NoRoomError) -> Response:
    return problem_response(429, "quota_exceeded", str(error), headers=_when_to_retry(error))


def _handle_full_queue(_request: Request, error: NoRoomError) -> Response:
    return problem_response(503, "queue_full", str(error), headers=_when_to_retry(error))


def _when_to_retry(error: NoRoomError) -> Mapping[str, str]:
    return {"Retry-After": str(error.retry_after_seconds)}


def _handle_store_unavailable(_request: Request, error: StoreUnavailableError) -> Response:
    _log.error("database_unavailable", error=str(error))
    headers = {"Retry-After": RETRY_AFTER_SECONDS}
    return problem_response(
        503, "database_unavailable", "The database does not answer. Try again soon.", headers=headers
    )


_HTTP_CODES: Final = {
    400: "malformed_json",  # from FastAPI, for what its JSON reader cannot even refuse in order
    404: "not_found",
    405: "method_not_allowed",
    406: "not_acceptable",
    408: "body_too_slow",
    413: "body_too_large",
    501: "not_implemented",
}


def _handle_http(request: Request, error: HTTPException) -> Response:
    code = _HTTP_CODES.get(error.status_code, f"http_{error.status_code}")
    headers = _allow(request) if error.status_code == 405 else None
    return problem_response(error.status_code, code, error.detail, headers=headers or error.headers)


def _allow(request: Request) -> dict[str, str] | None:
    """The methods of a documented path. Each has a route of its own, of which Starlette names the first one's only."""
    route = request.scope.get("route")
    methods = request.app.openapi()["paths"].get(getattr(route, "path", ""))
    return methods and {"Allow": ", ".join(sorted(methods)).upper()}


def _handle_unexpected(request: Request, error: Exception) -> Response:
    _log.error("unexpected_error", method=request.method, path=request.url.path, exc_info=error)
    return problem_response(500, "internal_error", "The service failed. The error was logged.")


_CODES: Final = {
    "missing": ("missing_field", "Give this field."),
    "extra_forbidden": ("unknown_field", "Leave it out; the documentation at /docs lists the fields."),
    "json_invalid": ("malformed_json", "Send a JSON object."),
    "greater_than_equal": ("out_of_range", "Give a larger value."),
    "less_than_equal": ("out_of_range", "Give a smaller value."),
}
_ANY_OTHER: Final = ("invalid_value", "The documentation at /docs says what is expected.")


def _handle_validation(_request: Request, error: RequestValidationError) -> Response:
    errors = [_field_error(item) for item in error.errors()]
    first = errors[0]
    status = 400 if first.code == "malformed_json" else 422
    return problem_response(status, first.code, f"{first.field}: {first.reason}. {first.hint}", errors)


def _field_error(item: Mapping[str, Any]) -> FieldError:
    """One of pydantic's errors; the location begins with where the value was, and a union adds its members' names."""
    code, hint = _CODES.get(item["type"], _ANY_OTHER)
    place, *path = item["loc"]
    if code == "malformed_json":
        reason = f"{item['ctx']['error']} at character {path[0]}"
        return FieldError(field=str(place), value="", reason=reason, hint=hint, code=code)
    field = str(path[0]) if path else str(place)
    return FieldError(field=field, value=_cut(item["input"]), reason=item["msg"], hint=hint, code=code)


def _cut(value: object) -> str:
    text = str(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
