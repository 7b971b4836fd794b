"""Asking a server for JSON: again where it is busy, within limits, and nowhere but where we were sent."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from importlib.metadata import version
from typing import Any, Final

import httpx
from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_attempt, wait_exponential_jitter

from rmatch.errors import CommandError
from service.security import is_loopback

_SCHEMES: Final = ("http", "https")
_BUSY: Final = {429, 500, 502, 503, 504}
_LATER: Final = "Run the same again later: it goes on from here."
_BACKOFF: Final = wait_exponential_jitter(initial=1, max=60)


@dataclass(frozen=True)
class FetchLimits:
    """Bounds on what a server may do to us.

    Attributes:
        answer_bytes: largest answer, after decompression.
        answer_seconds: longest answer.
        silence_seconds: longest wait for a part of one.
        redirects: most of them, one after the other.
        attempts: how often the same is asked for.
        wait_seconds: longest wait before it is asked for again.
    """

    answer_bytes: int = 64 * 2**20
    answer_seconds: float = 180.0
    silence_seconds: float = 60.0
    redirects: int = 5
    attempts: int = 6
    wait_seconds: float = 300.0


class _BusyError(Exception):
    """The server cannot answer now; ``wait_seconds`` is how long it wants to be left alone, if it says so."""

    def __init__(self, response: httpx.Response) -> None:
        super().__init__(f"status {response.status_code}")
        self.wait_seconds = _read_retry_after(response.headers.get("Retry-After", ""))


class Fetcher:
    """Talks to the server of one URL.

    Args:
        url: of the server, http or https; none other is ever asked.
        api_key: sent as ``X-API-Key``, and only in an encrypted connection or to this machine.
        limits: bounds on answers and on patience.

    Raises:
        CommandError: the URL is none, or would send the key in the clear.
    """

    def __init__(self, url: str, api_key: str = "", limits: FetchLimits = FetchLimits()) -> None:
        self.url = _parse_url(url)
        self._limits = limits
        if api_key and self.url.scheme != "https" and not is_loopback(self.url.host):
            raise CommandError(f"A key is not sent to {self.url} in the clear. Give a URL with https.")
        headers = {"User-Agent": f"rmatch/{version('rmatch')}", "Accept": "application/json, application/vnd.api+json"}
        if api_key:
            headers["X-API-Key"] = api_key
        self._http = httpx.Client(headers=headers, timeout=limits.silence_seconds)
        self._retrying = Retrying(
            stop=stop_after_attempt(limits.attempts),
            wait=_find_wait,
            retry=retry_if_exception_type((httpx.TransportError, _BusyError)),
            reraise=True,
        )

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def get(self, url: httpx.URL) -> Mapping[str, Any]:
        """The JSON object at a URL, which :meth:`follow` has given or which lies below :attr:`url`.

        Raises:
            CommandError: the server does not answer, refuses, or answers with something else or too much.
        """
        try:
            status, body = self._retrying(self._ask, url)
        except (httpx.RequestError, _BusyError) as error:
            raise CommandError(f"{self.url.host} does not answer ({error}). {_LATER}") from error
        content = _parse_object(body)
        if status != httpx.codes.OK:
            raise CommandError(f"{self.url.host} refuses with status {status}{_find_details(content or {})}.")
        if content is None:
            raise CommandError(f"{self.url.host} answers with something that is no JSON object. Is the URL right?")
        return content

    def follow(self, link: str, base: httpx.URL | None = None) -> httpx.URL:
        """Where a link leads to: to the same host and port, and never out of an encrypted connection.

        Raises:
            CommandError: elsewhere.
        """
        base = base or self.url
        try:
            target = base.join(link)
        except httpx.InvalidURL as error:
            raise CommandError(f"{base.host} links to {link[:80]!r}, which is no URL.") from error
        if base.scheme == "https":
            target = target.copy_with(scheme="https")
        if target.scheme not in _SCHEMES or (target.host, target.port) != (base.host, base.port):
            raise CommandError(f"{base.host} links to {str(target)[:80]!r}, which is elsewhere. It is not followed.")
        return target

    def _ask(self, url: httpx.URL) -> tuple[int, bytes]:
        """Status and body of the answer, behind all redirects."""
        for _ in range(self._limits.redirects + 1):
            with self._http.stream("GET", url) as response:
                if response.status_code in _BUSY:
                    raise self._refuse_long_waits(_BusyError(response))
                if not response.has_redirect_location:
                    return response.status_code, self._read(response)
                url = self.follow(response.headers["Location"], url)
        raise CommandError(f"{self.url.host} redirects more than {self._limits.redirects} times.")

    def _refuse_long_waits(self, error: _BusyError) -> _BusyError:
        if (error.wait_seconds or 0) > self._limits.wait_seconds:
            raise CommandError(f"{self.url.host} wants to be left alone for {error.wait_seconds:,.0f} s. {_LATER}")
        return error

    def _read(self, response: httpx.Response) -> bytes:
        body, deadline = bytearray(), time.monotonic() + self._limits.answer_seconds
        for part in response.iter_bytes():
            body += part
            if len(body) > self._limits.answer_bytes:
                raise CommandError(
                    f"An answer of {self.url.host} is larger than {self._limits.answer_bytes:,} bytes. "
                    "Ask for less at a time: --page-size."
                )
            if time.monotonic() > deadline:
                raise httpx.ReadTimeout(f"no whole answer within {self._limits.answer_seconds:g} s")
        return bytes(body)


def _parse_url(text: str) -> httpx.URL:
    try:
        url = httpx.URL(text)
    except httpx.InvalidURL as error:
        raise CommandError(f"{text[:80]!r} is no URL ({error}).") from error
    if url.scheme not in _SCHEMES or not url.host or url.query or url.fragment:
        raise CommandError(f"{text[:80]!r} is no base URL. Give one such as https://example.org/optimade.")
    if url.userinfo:
        raise CommandError("A URL on the command line must not hold a password. Give --api-key-file FILE.")
    return url


def _find_wait(state: RetryCallState) -> float:
    """As long as the server said, or longer each time."""
    error = state.outcome.exception() if state.outcome else None
    told = error.wait_seconds if isinstance(error, _BusyError) else None
    return _BACKOFF(state) if told is None else told


def _read_retry_after(text: str) -> float | None:
    """Seconds from now, of a number of them or a date."""
    if text.isdecimal():
        return float(text)
    try:
        return max((parsedate_to_datetime(text) - datetime.now(UTC)).total_seconds(), 0.0)
    except (ValueError, TypeError):
        return None


def _parse_object(body: bytes) -> dict[str, Any] | None:
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return content if isinstance(content, dict) else None


def _find_details(content: Mapping[str, Any]) -> str:
    """What an error document says, of OPTIMADE or of FastAPI."""
    try:
        return f": {str(content['errors'][0]['detail'])[:200]!r}"
    except (LookupError, TypeError):
        return f": {str(content['detail'])[:200]!r}" if "detail" in content else ""
