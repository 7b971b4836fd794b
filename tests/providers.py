"""Databases of others in tests: a small server on loopback that answers as the test says."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

Question = dict[str, str]
"""Parameters of a request; ``path`` is where it went."""


@dataclass(frozen=True)
class Answer:
    """What the server says; without a status, it drops the connection."""

    content: object = None
    status: int | None = 200
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass
class Provider:
    """A running server, and what it was asked."""

    url: str
    answer: Callable[[Question], Answer]
    questions: list[Question] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)


@contextmanager
def run_provider(answer: Callable[[Question], Answer]) -> Iterator[Provider]:
    """A server while the context lasts."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            question = {"path": parts.path} | {name: values[0] for name, values in parse_qs(parts.query).items()}
            provider.questions.append(question)
            provider.headers.append({name.lower(): value for name, value in self.headers.items()})
            given = provider.answer(question)
            if given.status is None:
                return
            body = given.content if isinstance(given.content, bytes) else json.dumps(given.content).encode()
            self.send_response(given.status)
            for name, value in {"Content-Length": str(len(body)), **given.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_words: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    provider = Provider(f"http://127.0.0.1:{server.server_port}", answer)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield provider
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def optimade_entry(number: int, **changes: object) -> dict[str, Any]:
    """A cubic crystal of one atom, another for each number."""
    attributes = {
        "structure_features": [],
        "dimension_types": [1, 1, 1],
        "lattice_vectors": [[3 + number / 100, 0, 0], [0, 3, 0], [0, 0, 3]],
        "cartesian_site_positions": [[0, 0, 0]],
        "species": [{"name": "lithium", "chemical_symbols": ["Li"], "concentration": [1.0]}],
        "species_at_sites": ["lithium"],
    }
    return {"id": f"x-{number}", "type": "structures", "attributes": attributes | changes}


def optimade_pages(entries: list[dict[str, Any]], question: Question) -> Answer:
    """The page that a question asks for, with a link to the next."""
    start, size = int(question.get("page_offset", 0)), int(question["page_limit"])
    rest = len(entries) - start - size
    following = f"?page_limit={size}&page_offset={start + size}" if rest > 0 else None
    meta = {"data_returned": len(entries), "more_data_available": rest > 0}
    return Answer({"data": entries[start : start + size], "links": {"next": following}, "meta": meta})
