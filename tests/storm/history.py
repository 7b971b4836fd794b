"""What clients asked and what they were answered, on disk before the next thing happens."""

from __future__ import annotations

import json
import threading
import time
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from itertools import count
from pathlib import Path
from typing import Any


class Action(StrEnum):
    """What a client asks for."""

    SUBMIT = "submit"
    CANCEL = "cancel"
    READ = "read"


@dataclass(frozen=True, kw_only=True)
class Exchange:
    """A request, and its answer where one came.

    Attributes:
        number: of the exchange, unique in its history.
        action: what was asked.
        key: the Idempotency-Key of a submission, else empty.
        seed: what tells the body of a submission from all others, else None.
        job: the job asked about; of a submission, the job in the answer.
        sent_at: Unix time.
        answered_at: Unix time; None while there is no answer.
        status: HTTP status of the answer; None where none came.
        state: state of the job in the answer, else empty.
        error: why no answer came, or the problem's code.
    """

    number: int
    action: Action
    key: str = ""
    seed: int | None = None
    job: str = ""
    sent_at: float
    answered_at: float | None = None
    status: int | None = None
    state: str = ""
    error: str = ""

    @property
    def is_final(self) -> bool:
        """Whether the answer settles the request; any other may be asked for again."""
        return self.status is not None and self.status < 500 and self.status != 429


class History:
    """The exchanges of all clients, a line when a request is sent and one when its answer is there."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("a", encoding="utf-8")
        self._lock = threading.Lock()
        self._numbers = count()

    def begin(self, action: Action, **asked: Any) -> Exchange:
        """Note a request that is about to be sent."""
        exchange = Exchange(number=next(self._numbers), action=action, sent_at=time.time(), **asked)
        self._write(exchange)
        return exchange

    def end(self, exchange: Exchange, **answered: Any) -> Exchange:
        """Note what came of it."""
        exchange = replace(exchange, answered_at=time.time(), **answered)
        self._write(exchange)
        return exchange

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _write(self, exchange: Exchange) -> None:
        with self._lock:
            self._file.write(json.dumps(asdict(exchange)) + "\n")
            self._file.flush()


def read_history(path: Path) -> list[Exchange]:
    """The exchanges in the order in which they were sent."""
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    last = {line["number"]: line for line in lines}
    return [Exchange(**{**line, "action": Action(line["action"])}) for _, line in sorted(last.items())]
