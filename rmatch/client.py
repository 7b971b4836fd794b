"""A small client of the REST API: submit, follow, list."""

from __future__ import annotations

import time
from collections.abc import Iterator
from types import TracebackType
from typing import Any, Final, Self

import httpx

from rmatch.errors import CommandError

_POLL_SECONDS: Final = 0.2
_TERMINAL: Final = {"succeeded", "failed", "cancelled"}


class Client:
    """Talks to the service at a URL.

    Every method raises :class:`CommandError` where the service refuses, with what its problem document says.
    """

    def __init__(self, url: str) -> None:
        self._http = httpx.Client(base_url=url, timeout=30)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        self._http.close()

    def submit(self, **request: object) -> str:
        """Queue a job and return its id."""
        return str(self._call("POST", "/generate", json=request)["id"])

    def job(self, job_id: str) -> dict[str, Any]:
        """A job as it stands."""
        return self._call("GET", f"/jobs/{job_id}")

    def follow(self, job_id: str) -> Iterator[dict[str, Any]]:
        """The job again and again until it is over; the last one says how it ended."""
        while True:
            job = self.job(job_id)
            yield job
            if job["state"] in _TERMINAL:
                return
            time.sleep(_POLL_SECONDS)

    def structures(self, **filters: str | float) -> list[dict[str, Any]]:
        """Structures by filters, over all pages."""
        page = self._call("GET", "/structures", params=filters)
        items = list(page["items"])
        while page["next"]:
            page = self._call("GET", page["next"])
            items += page["items"]
        return items

    def has_references(self) -> bool:
        """Whether any known structures are there; a new database is filled while the service already answers."""
        return bool(self._call("GET", "/references", params={"limit": 1})["items"])

    def _call(
        self, method: str, path: str, json: object = None, params: dict[str, str | float] | None = None
    ) -> dict[str, Any]:
        try:
            response = self._http.request(method, path, json=json, params=params)
        except httpx.TransportError as error:
            raise CommandError(f"The service does not answer: {error}.") from error
        if response.is_error:
            raise CommandError(f"{method} {path}: {_explain(response)}")
        content: dict[str, Any] = response.json()
        return content


def _explain(response: httpx.Response) -> str:
    """What a problem document says, or the status where there is none."""
    try:
        problem = response.json()
    except ValueError:
        return f"status {response.status_code}"
    return str(problem.get("detail") or problem.get("title") or response.status_code)
