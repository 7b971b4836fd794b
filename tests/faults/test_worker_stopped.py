"""Workers told to stop finish what is nearly done, and give back what is not: nothing is lost or begun twice."""

from __future__ import annotations

import signal

import pytest
from processes import run_rmatch
from servers import wait_until
from stacks import Stack

from rm_engine.spec import GenerationSpec
from service.domain import ChunkState, JobState
from service.domain.ids import chunk_id_of

ENDLESS = GenerationSpec(composition="C", n=1000, formula_units=(80,), model="diamond", fmax=1e-5, max_steps=10_000)
SHORT = GenerationSpec(composition="C", n=300, formula_units=(16,), model="diamond", max_steps=300)
N_RESTARTS = 2


@pytest.mark.timeout(120)
def test_a_long_chunk_is_given_back(stack: Stack) -> None:
    job_id = stack.submit(ENDLESS, chunk_size=ENDLESS.n)
    with run_rmatch("worker", environment=stack.environment) as worker:
        wait_until(lambda: "chunk_started" in worker.output(), "the worker takes the chunk")
        assert worker.stop() == 0
        assert "chunk_given_back" in worker.output()
    assert stack.chunk_state(chunk_id_of(job_id, 0)) is ChunkState.QUEUED
    assert stack.query("SELECT lost_attempts, cause FROM chunks WHERE attempt > 0") == [(0, None)]


@pytest.mark.timeout(120)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_who_asks_again_does_not_wait_for_it(stack: Stack, number: signal.Signals) -> None:
    stack.submit(ENDLESS, chunk_size=ENDLESS.n)
    environment = {**stack.environment, "RMATCH_SOFT_SHUTDOWN_SECONDS": "1000"}
    with run_rmatch("worker", environment=environment) as worker:
        wait_until(lambda: "chunk_started" in worker.output(), "the worker takes the chunk")
        worker.process.send_signal(number)
        wait_until(lambda: "worker_stopping" in worker.output(), "the worker has heard it")
        worker.process.send_signal(number)
        worker.process.wait(timeout=60)
        assert "chunk_given_back" in worker.output()
    assert stack.query("SELECT lost_attempts, cause FROM chunks WHERE attempt > 0") == [(0, None)]


@pytest.mark.timeout(240)
def test_workers_restarted_in_turn_begin_every_short_chunk_once(stack: Stack) -> None:
    environment = {**stack.environment, "RMATCH_SOFT_SHUTDOWN_SECONDS": "60"}
    job_id = stack.submit(SHORT, chunk_size=30)
    for _ in range(N_RESTARTS):
        with run_rmatch("worker", environment=environment) as worker:
            wait_until(lambda: "chunk_started" in worker.output(), "the worker takes a chunk")
            assert worker.stop() == 0
            output = worker.output()
            assert output.count("chunk_started") == output.count("chunk_finished") > 0
    with run_rmatch("sweep", environment=environment), run_rmatch("worker", environment=environment):
        assert stack.wait_for(job_id).state is JobState.SUCCEEDED
    assert set(stack.query("SELECT attempt, lost_attempts, state FROM chunks")) == {(1, 0, "succeeded")}
