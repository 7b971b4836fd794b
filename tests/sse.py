"""Reading server-sent events, as the specification has browsers do it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx


@dataclass(frozen=True)
class Event:
    """One event; its data as text."""

    name: str
    id: str
    data: str

    def json(self) -> Any:
        return json.loads(self.data)


def parse_events(lines: Iterator[str]) -> Iterator[Event]:
    """The events in a stream; one that was cut off in the middle is none."""
    fields: dict[str, str] = {}
    for line in lines:
        if not line:
            if fields:
                yield Event(fields.get("event", "message"), fields.get("id", ""), fields.get("data", ""))
            fields = {}
        elif not line.startswith(":"):
            name, _, value = line.partition(": ")
            fields[name] = value


def follow(client: httpx.Client, job_id: str, last_event_id: str = "") -> Iterator[Event]:
    """Events of a job from a server, until the stream ends or is left."""
    headers = {"Last-Event-ID": last_event_id} if last_event_id else {}
    with client.stream("GET", f"/jobs/{job_id}/events", headers=headers, timeout=60) as response:
        assert response.status_code == 200, response.read()
        yield from parse_events(response.iter_lines())
