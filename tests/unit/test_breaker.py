"""Who is admitted to what fails."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

from service.breaker import Breaker


def test_everybody_is_admitted_while_it_works() -> None:
    breaker = Breaker()
    assert all(breaker.admits() for _ in range(3))
    breaker.settle(worked=True)
    assert breaker.admits()


def test_after_a_failure_one_tries_for_all() -> None:
    breaker = Breaker()
    assert breaker.admits()
    breaker.settle(worked=False)
    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(lambda _: breaker.admits(), range(100))) == 1
    breaker.settle(worked=False)
    assert [breaker.admits(), breaker.admits()] == [True, False]
    breaker.settle(worked=True)
    assert all(breaker.admits() for _ in range(3))


def test_nobody_tries_for_a_while_after_the_second_failure_in_a_row() -> None:
    breaker = Breaker(pause_seconds=0.2)
    breaker.settle(worked=False)
    assert breaker.admits()
    breaker.settle(worked=False)
    failed_at = time.monotonic()
    while not breaker.admits():
        time.sleep(0.01)
    assert time.monotonic() - failed_at >= 0.2
    breaker.settle(worked=True)
    breaker.settle(worked=False)
    assert breaker.admits(), "it has worked in between"
