"""Workers die without a word, in the middle of a job; the job does not notice."""

from __future__ import annotations

from dataclasses import replace

import pytest
from processes import run_rmatch
from servers import wait_until
from stacks import Stack

from rm_engine.spec import GenerationSpec
from service.domain import ChunkState, JobState
from service.domain.ids import chunk_id_of

N_SAMPLES = 30
N_KILLS = 2
# Small cells that never count as converged: every chunk takes long enough to be killed in it.
SPEC = GenerationSpec(composition="C", n=N_SAMPLES, formula_units=(2, 4), model="diamond", fmax=1e-5, max_steps=600)


@pytest.mark.timeout(240)
def test_a_job_survives_workers_killed_in_it(stack: Stack) -> None:
    job_id = stack.submit(SPEC, chunk_size=10)
    with run_rmatch("sweep", environment=stack.environment):
        for _ in range(N_KILLS):
            with run_rmatch("worker", environment=stack.environment) as worker:
                wait_until(lambda: "chunk_started" in worker.output(), "the worker takes a chunk")
                worker.kill()
                assert "chunk_finished" not in worker.output(), "killed too late to say anything"
        with run_rmatch("worker", environment=stack.environment):
            job = stack.wait_for(job_id)
    assert (job.state, job.error) == (JobState.SUCCEEDED, None)
    assert sorted(structure.sample for structure in stack.structures(job_id)) == list(range(N_SAMPLES))


@pytest.mark.timeout(120)
def test_a_worker_that_is_stopped_gives_its_chunk_back(stack: Stack) -> None:
    spec = replace(SPEC, fmax=1e-5, max_steps=10_000)
    job_id = stack.submit(spec, chunk_size=N_SAMPLES)
    with run_rmatch("worker", environment=stack.environment) as worker:
        wait_until(lambda: "chunk_started" in worker.output(), "the worker takes the chunk")
        assert worker.stop() == 0
        assert "chunk_given_back" in worker.output()
    assert stack.chunk_state(chunk_id_of(job_id, 0)) is ChunkState.QUEUED
