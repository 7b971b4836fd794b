"""A lease while its chunk runs: kept by the heartbeat, left where it is lost, its job cancelled, or a signal comes."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from threading import Event

import pytest
from databases import claim_next, lis2
from servers import wait_until

from service.domain import PUBLIC_GROUP, Claim, Progress
from service.jobs import cancel_job, claim_chunk, submit_job
from service.settings import Settings
from service.store import Store
from worker import shutdown
from worker.lease import ChunkTimeoutError, Heartbeat, JobCancelledError, LeaseLostError
from worker.shutdown import STOP_SIGNAL, StopRequestedError, listen_for_stop

LEASE_SECONDS = 0.6
SETTINGS = Settings(lease_seconds=LEASE_SECONDS)


def raises_soon(error: type[Exception], act: Callable[[], None]) -> None:
    """``act`` raises ``error`` before long."""

    def has_raised() -> bool:
        try:
            act()
        except error:
            return True
        return False

    wait_until(has_raised, f"{error.__name__} is raised", 10)


@pytest.fixture
def claim(store: Store) -> Claim:
    """A chunk, claimed for less than a second."""
    submit_job(store, lis2())
    return claim_next(store, lease_seconds=LEASE_SECONDS)


def test_a_heartbeat_keeps_the_lease_and_stores_progress(store: Store, claim: Claim) -> None:
    with Heartbeat(store, claim, SETTINGS) as heartbeat:
        heartbeat.beat(Progress(n_finished=3, n_steps=40))
        time.sleep(2 * LEASE_SECONDS)
        assert claim_chunk(store, claim.chunk_id, "thief", 1.0) is None
        with store.reading() as tx:
            assert tx.job_views.get(claim.job_id, PUBLIC_GROUP).counts.finished == 3
    time.sleep(1.5 * LEASE_SECONDS)
    assert claim_chunk(store, claim.chunk_id, "heir", 1.0) is not None


def test_a_cancelled_job_stops_its_chunk(store: Store, claim: Claim) -> None:
    with Heartbeat(store, claim, SETTINGS) as heartbeat:
        cancel_job(store, claim.job_id, PUBLIC_GROUP)
        raises_soon(JobCancelledError, lambda: heartbeat.beat(Progress()))


def test_a_chunk_that_another_worker_took_is_left(store: Store, claim: Claim) -> None:
    time.sleep(1.5 * LEASE_SECONDS)
    assert claim_chunk(store, claim.chunk_id, "heir", 60.0) is not None
    with Heartbeat(store, claim, SETTINGS) as heartbeat:
        raises_soon(LeaseLostError, lambda: heartbeat.beat(Progress()))


@pytest.fixture
def _listening(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(shutdown, "_stop_requested", Event())
    listen_for_stop()
    yield
    for number in (STOP_SIGNAL, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)


@pytest.mark.usefixtures("_listening")
def test_the_stop_signal_is_noticed_at_the_next_step(store: Store, claim: Claim) -> None:
    with Heartbeat(store, claim, SETTINGS) as heartbeat:
        heartbeat.beat(Progress())
        os.kill(os.getpid(), STOP_SIGNAL)
        raises_soon(StopRequestedError, lambda: heartbeat.beat(Progress()))


def test_a_chunk_that_takes_too_long_is_broken_off(store: Store, claim: Claim) -> None:
    with Heartbeat(store, claim, SETTINGS.model_copy(update={"chunk_seconds": 0.2})) as heartbeat:
        heartbeat.beat(Progress())
        time.sleep(0.2)
        with pytest.raises(ChunkTimeoutError, match=r"time limit: it took longer than 0\.2 s"):
            heartbeat.beat(Progress())


def test_an_outage_of_the_database_is_waited_out(store: Store, claim: Claim) -> None:
    broken = Store("postgresql://nobody@127.0.0.1:1/none")
    with Heartbeat(broken, claim, SETTINGS) as heartbeat:
        time.sleep(LEASE_SECONDS / 2)
        heartbeat._store = store
        time.sleep(LEASE_SECONDS)
        assert claim_chunk(store, claim.chunk_id, "thief", 1.0) is None
    broken.close()
