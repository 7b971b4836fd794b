"""Logs: one event a line, for people or as JSON; those of uvicorn, Celery and every other library among them.

Nothing that a client sends can look like a line of ours: JSON escapes what is not printable ASCII, and so does the form
for people. Bodies are never logged, and of addresses only the path; keys and passwords are cut out wherever they stand.
"""

from __future__ import annotations

import logging
import re
import sys
from typing import Final, Literal

import structlog
from structlog.typing import EventDict, WrappedLogger

_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_SECRET: Final = re.compile(r"(rmatch_[0-9a-z]{12}_|://[^\s:/@]*:)(?:[^\s@/]+(?=@)|[0-9A-Za-z]{8,})")
"""Keys of the API after their public part, and passwords in URLs."""

_TRACEBACK: Final = "exception"
_TALKATIVE: Final = ("kombu", "alembic", "asyncio", "celery.app.trace", "celery.worker.strategy")
"""Libraries that tell at level INFO what nobody asked for."""


def configure_logging(log_format: Literal["console", "json"], level: int = logging.INFO) -> None:
    """Send events of level ``level`` and above to standard error, whichever logger they come from."""
    rendering = (
        [structlog.processors.JSONRenderer()]
        if log_format == "json"
        else [_escape_control_characters, structlog.dev.ConsoleRenderer(colors=False)]
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            _hide_secrets,
            *rendering,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=lambda *_: structlog.WriteLogger(sys.stderr),  # whatever it is when a line is written
    )
    root = logging.getLogger()
    root.setLevel(level)
    if not any(isinstance(handler, _Bridge) for handler in root.handlers):
        root.addHandler(_Bridge())
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(max(level, logging.WARNING))


class _Bridge(logging.Handler):
    """Makes an event of each record of the standard library's loggers."""

    def emit(self, record: logging.LogRecord) -> None:
        """Pass the record on; levels in between count as the one below."""
        try:
            level = min(max(record.levelno // 10 * 10, logging.DEBUG), logging.CRITICAL)
            structlog.get_logger().log(level, record.getMessage(), logger=record.name, exc_info=record.exc_info)
        except Exception:  # noqa: BLE001  process boundary: a line that cannot be written must not stop anything
            self.handleError(record)


def _hide_secrets(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Cut out what lets somebody in: a client may put its key anywhere, and a driver tell what it was given."""
    return {name: _SECRET.sub(r"\1***", value) if isinstance(value, str) else value for name, value in event.items()}


def _escape_control_characters(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Let no value break a line or speak to the terminal; tracebacks keep their lines."""
    return {
        name: _CONTROL.sub(lambda found: ascii(found[0])[1:-1], value)
        if isinstance(value, str) and name != _TRACEBACK
        else value
        for name, value in event.items()
    }
