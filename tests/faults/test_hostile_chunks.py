"""Chunks that kill, hang or fill their worker are parked after three attempts, with the cause; others go on."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest
from faults.sabotaged_worker import EAT, HANG, KILL
from processes import run_command
from stacks import Stack

from rm_engine.spec import GenerationSpec
from service.domain import JobState

SPEC = GenerationSpec(composition="C", n=4, formula_units=(2,), model="diamond", max_steps=50)
CHUNK_SECONDS = 8  # a healthy one takes less, also on a machine that does much else
LIMITS = {
    "RMATCH_LEASE_SECONDS": "60",  # nobody waits for it
    "RMATCH_CHUNK_SECONDS": f"{CHUNK_SECONDS}",
    "RMATCH_CHUNK_KILL_SECONDS": f"{CHUNK_SECONDS + 1}",
    "RMATCH_WORKER_MEMORY_BYTES": str(1024**3),
}
CAUSES = {
    KILL: "killed by signal 9, as happens where the machine runs out of memory",
    HANG: f"time limit: it took longer than {CHUNK_SECONDS} s, and did not stop when told to",
    EAT: "out of memory (MemoryError: Unable to allocate 64.0 MiB for an array with shape (67108864,) and "
    "data type uint8)",
}


@pytest.mark.timeout(900)
def test_a_chunk_that_harms_its_worker_is_parked_with_its_cause_and_others_go_on(stack: Stack) -> None:
    environment = {**stack.environment, **LIMITS}
    harmful = {seed: stack.submit(replace(SPEC, seed=seed), chunk_size=4) for seed in CAUSES}
    healthy = [stack.submit(SPEC, chunk_size=2)]
    script = str(Path(__file__).with_name("sabotaged_worker.py"))
    with run_command([sys.executable, script], environment) as worker:  # no sweeper: the worker itself frees its chunks
        for seed, job_id in harmful.items():
            job = stack.wait_for(job_id)
            assert (job.state, job.error) == (
                JobState.FAILED,
                f"Samples 0 to 3 failed 3 times, the last time with this cause: {CAUSES[seed]}.",
            )
        healthy.append(stack.submit(replace(SPEC, seed=1), chunk_size=2))
        for job_id in healthy:
            assert stack.wait_for(job_id).state is JobState.SUCCEEDED
        assert worker.is_alive()
    rows = stack.query("SELECT job_id, attempt, lost_attempts, cause FROM chunks")
    for seed, job_id in harmful.items():
        assert [row[1:] for row in rows if row[0] == job_id and row[1]] == [(3, 3, CAUSES[seed])]
    assert {row[2:] for row in rows if row[0] in healthy} == {(0, None)}
