"""A database that is away for a while: results wait for it."""

from __future__ import annotations

import pytest

from service.domain import StoreUnavailableError
from worker.outage import wait_out


class Away:
    """Answers at the third time."""

    def __init__(self) -> None:
        self.n_calls = 0

    def ask(self) -> str:
        self.n_calls += 1
        if self.n_calls < 3:
            raise StoreUnavailableError("gone")
        return "here"


def test_what_the_database_did_not_answer_is_asked_again() -> None:
    away, checks = Away(), []
    assert wait_out(away.ask, 60, lambda: checks.append(1)) == "here"
    assert (away.n_calls, len(checks)) == (3, 2)


def test_in_the_end_the_outage_is_told() -> None:
    with pytest.raises(StoreUnavailableError):
        wait_out(Away().ask, -1)


def test_who_must_not_wait_does_not() -> None:
    def stop() -> None:
        raise KeyError

    away = Away()
    with pytest.raises(KeyError):
        wait_out(away.ask, 60, stop)
    assert away.n_calls == 1
