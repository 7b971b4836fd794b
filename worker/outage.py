"""Waiting for a database that does not answer: what was worked for is not thrown away for a restart of a server."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final, TypeVar

import structlog

from service.domain import StoreUnavailableError

_PAUSE_SECONDS: Final = 0.5

_log = structlog.get_logger(__name__)
_T = TypeVar("_T")


def wait_out(action: Callable[[], _T], seconds: float, check: Callable[[], None] = lambda: None) -> _T:
    """Do something, again and again while the database does not answer.

    Args:
        action: one transaction, or several that may be repeated.
        seconds: how long to go on.
        check: called before every repetition; what it raises ends the waiting.

    Raises:
        StoreUnavailableError: the database did not answer for so long.
    """
    deadline = time.monotonic() + seconds
    while True:
        try:
            return action()
        except StoreUnavailableError as error:
            if time.monotonic() > deadline:
                raise
            _log.warning("database_unavailable", error=str(error))
        time.sleep(_PAUSE_SECONDS)
        check()
