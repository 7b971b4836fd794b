"""When a request is sent again: the service has no room or does not answer. All of them may be sent twice."""

from __future__ import annotations

from typing import Any, Final

from tenacity import RetryCallState, retry_if_exception_type, stop_before_delay, wait_random_exponential

from rm_client.errors import BusyError, UnreachableError

_wait_a_while: Final = wait_random_exponential(multiplier=0.2, max=10)


def be_patient(seconds: float) -> dict[str, Any]:
    """The arguments of :class:`tenacity.Retrying` and :class:`tenacity.AsyncRetrying`.

    Args:
        seconds: after which the last error is raised; 0 tries once.
    """
    return {
        "retry": retry_if_exception_type((BusyError, UnreachableError)),
        "wait": _choose_pause,
        "stop": stop_before_delay(seconds),
        "reraise": True,
    }


def _choose_pause(attempt: RetryCallState) -> float:
    """As long as the service says, or longer and longer, in seconds."""
    error = attempt.outcome and attempt.outcome.exception()
    told = error.retry_after_seconds if isinstance(error, BusyError) else None
    return _wait_a_while(attempt) if told is None else told
