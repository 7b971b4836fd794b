"""Pages of lists: opaque cursors that hold the key of the last item."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import Query, Request

from rm_engine.errors import InputError
from service.settings import Settings

Limit = Annotated[
    int | None, Query(ge=1, description="Most items on the page; by default, and at most, what the operator set.")
]
Cursor = Annotated[str | None, Query(description="As `next` of the page before has it; the first page without.")]


def encode_cursor(key: Sequence[Any]) -> str:
    """The key as text that goes into a URL as it is."""
    return base64.urlsafe_b64encode(json.dumps(key).encode()).decode().rstrip("=")


def decode_cursor(cursor: str, *shape: type | tuple[type, ...]) -> list[Any]:
    """The key in a cursor.

    Args:
        cursor: text from :func:`encode_cursor`.
        shape: type of each part of the key.

    Raises:
        InputError: not a cursor of this list.
    """
    try:
        key = json.loads(base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True))
    except (ValueError, RecursionError) as error:
        raise refuse_cursor(cursor) from error
    if not isinstance(key, list) or len(key) != len(shape):
        raise refuse_cursor(cursor)
    if not all(isinstance(part, kind) for part, kind in zip(key, shape, strict=True)):
        raise refuse_cursor(cursor)
    return key


def refuse_cursor(cursor: str) -> InputError:
    """The error for a cursor that is not one."""
    hint = "Follow the path in `next` of the page before, or leave the cursor out."
    return InputError("invalid_cursor", "cursor", cursor, "this is no cursor of this list and order", hint)


def next_path(request: Request, key: Sequence[Any] | None) -> str | None:
    """Path and query of the page after ``key``."""
    if key is None:
        return None
    url = request.url.include_query_params(cursor=encode_cursor(key))
    return f"{url.path}?{url.query}"


def page_size(limit: int | None, settings: Settings) -> int:
    """The length of a page: as asked for, within the operator's bounds.

    Raises:
        InputError: longer than allowed.
    """
    if limit is not None and limit > settings.max_page_size:
        raise InputError(
            "out_of_range",
            "limit",
            limit,
            f"at most {settings.max_page_size} items on a page",
            "Ask for fewer, and follow `next`.",
        )
    return limit or settings.default_page_size
