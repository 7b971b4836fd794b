"""Clients as they should be: they repeat what was not answered, under the same key, until it is."""

from __future__ import annotations

import random
import threading
import time
import uuid
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from typing import Any

import httpx
from storm.history import Action, Exchange, History
from storm.supervisor import Supervisor

TIMEOUT_SECONDS = 5.0
POLL_SECONDS = 0.25
ENDED = {"succeeded", "failed", "cancelled"}
_seeds = count(1)


def new_body(choice: random.Random) -> dict[str, Any]:
    """A small run, of chunks that take up to half a second; no other has its seed."""
    return {
        "composition": "C",
        "n": choice.randint(1, 6),
        "formula_units": choice.choice((8, 32, 64)),
        "model": "diamond",
        "seed": next(_seeds),
        "starts": {"random": 1},
        "fmax": 1e-5,
        "max_steps": 2000,
    }


class Client:
    """Submits jobs one after the other and follows each to its end.

    Args:
        service: whose APIs are asked, each request any of them.
        history: where everything is noted.
        seed: of what it does.
        stopping: set when it is to submit nothing new.
        over: set when it is to give up whatever it still waits for.
    """

    def __init__(
        self, service: Supervisor, history: History, seed: int, stopping: threading.Event, over: threading.Event
    ) -> None:
        self._urls = service.urls
        self._history = history
        self._choice = random.Random(seed)
        self._stopping = stopping
        self._over = over
        self._http = httpx.Client(timeout=TIMEOUT_SECONDS, headers=service.headers)

    def run(self) -> None:
        """Submit until told to stop."""
        errands = (self.submit_and_follow, self.submit_twice, self.reuse_key, self.submit_and_cancel)
        while not self._stopping.is_set():
            self._choice.choices(errands, weights=(6, 2, 1, 1))[0]()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def submit_and_follow(self) -> None:
        """The usual errand."""
        self._follow(self.submit(uuid.uuid4().hex, new_body(self._choice)))

    def submit_twice(self) -> None:
        """The same request at the same time, as an impatient proxy sends it."""
        key, body = uuid.uuid4().hex, new_body(self._choice)
        with ThreadPoolExecutor(2) as pool:
            first, _ = [pool.submit(self.submit, key, body) for _ in range(2)]
        self._follow(first.result())

    def reuse_key(self) -> None:
        """Another request under a key that is taken."""
        key = uuid.uuid4().hex
        job = self.submit(key, new_body(self._choice))
        self.submit(key, new_body(self._choice))
        self._follow(job)

    def submit_and_cancel(self) -> None:
        """Cancel somewhere on the way."""
        job = self.submit(uuid.uuid4().hex, new_body(self._choice))
        time.sleep(self._choice.uniform(0, 1))
        if job:
            self._insist("DELETE", f"/jobs/{job}", Action.CANCEL, job=job)
            self._follow(job)

    def submit(self, key: str, body: Mapping[str, Any]) -> str:
        """Submit until it is answered for good; the job's id, empty where it was refused."""
        asked = {"json": body, "headers": {"Idempotency-Key": key}}
        return self._insist("POST", "/generate", Action.SUBMIT, key=key, seed=body["seed"], request=asked).job

    def _follow(self, job: str) -> None:
        while job and not self._over.is_set():
            if self._insist("GET", f"/jobs/{job}", Action.READ, job=job).state in ENDED:
                return
            time.sleep(POLL_SECONDS)

    def _insist(self, method: str, path: str, action: Action, **asked: Any) -> Exchange:
        """Ask either API until one answers for good, or it is over."""
        while True:
            exchange = self._ask(method, self._choice.choice(self._urls) + path, action, **asked)
            if exchange.is_final or self._over.wait(self._choice.uniform(0.1, 0.4)):
                return exchange

    def _ask(
        self, method: str, url: str, action: Action, *, request: Mapping[str, Any] | None = None, **asked: Any
    ) -> Exchange:
        exchange = self._history.begin(action, **asked)
        try:
            answer = self._http.request(method, url, **(request or {}))
            content = answer.json()
        except (httpx.TransportError, ValueError) as error:
            return self._history.end(exchange, error=repr(error)[:200])
        return self._history.end(
            exchange,
            status=answer.status_code,
            job=content.get("id", exchange.job),
            state=content.get("state", ""),
            error=content.get("code", ""),
        )
