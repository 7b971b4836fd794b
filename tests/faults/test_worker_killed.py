"""Workers die without a word, or sleep too long, in the middle of a job; the job does not notice."""

from __future__ import annotations

import json
import os
import signal
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from processes import run_rmatch
from servers import wait_until
from stacks import Stack

from rm_engine.spec import GenerationSpec
from service.domain import JobState

N_SAMPLES = 30
N_KILLS = 2
# Small cells that never count as converged: every chunk takes long enough to be killed in it.
SPEC = GenerationSpec(composition="C", n=N_SAMPLES, formula_units=(2, 4), model="diamond", fmax=1e-5, max_steps=600)
LONG = replace(SPEC, n=80, formula_units=(20,), max_steps=2000)
TABLES = ("jobs", "chunks", "structures", "structure_atoms", "failed_samples", "matches", "idempotency_keys")
RESTART_SECONDS = 2.0


def results(stack: Stack, job_id: str) -> list[tuple[object, ...]]:
    """What was found for each sample, to the last bit."""
    return stack.query(
        "SELECT sample, pseudo_energy_per_atom, energy_above_hull, n_steps, is_unique, CAST(atoms AS TEXT)"
        " FROM structures JOIN structure_atoms ON structure_id = structures.id WHERE job_id = :job ORDER BY sample",
        job=job_id,
    )


@pytest.mark.timeout(240)
def test_a_job_survives_workers_killed_in_it_and_finds_the_same(stack: Stack) -> None:
    """Under two sweepers, which do no more than one."""
    job_id = stack.submit(SPEC, chunk_size=10)
    with ExitStack() as sweepers:
        for _ in range(2):
            sweepers.enter_context(run_rmatch("sweep", environment=stack.environment))
        for _ in range(N_KILLS):
            with run_rmatch("worker", environment=stack.environment) as worker:
                wait_until(lambda: "chunk_started" in worker.output(), "the worker takes a chunk")
                worker.kill()
                assert "chunk_finished" not in worker.output(), "killed too late to say anything"
        with run_rmatch("worker", environment=stack.environment):
            job = stack.wait_for(job_id)
            undisturbed = stack.submit(SPEC, chunk_size=10)
            stack.wait_for(undisturbed)
    assert (job.state, job.error) == (JobState.SUCCEEDED, None)
    found = results(stack, job_id)
    assert [row[0] for row in found] == list(range(N_SAMPLES))
    assert found == results(stack, undisturbed)
    causes = stack.query("SELECT cause, lost_attempts FROM chunks WHERE lost_attempts > 0")
    assert {cause for cause, _ in causes} == {"its worker was lost without a word"}
    assert sum(n for _, n in causes) == N_KILLS


@pytest.mark.timeout(120)
def test_work_of_a_killed_worker_restarts_when_its_lease_expires(stack: Stack) -> None:
    """However seldom the sweeper looks otherwise."""
    environment = {**stack.environment, "RMATCH_SWEEP_SECONDS": "1000"}
    with ExitStack() as running:
        running.enter_context(run_rmatch("sweep", environment=environment))
        one, other = (running.enter_context(run_rmatch("worker", environment=environment)) for _ in range(2))
        wait_until(lambda: all("ready" in worker.output() for worker in (one, other)), "both workers are up")
        stack.submit(LONG, chunk_size=LONG.n)
        wait_until(lambda: "chunk_started" in one.output() + other.output(), "one takes the chunk")
        killed, heir = (one, other) if "chunk_started" in one.output() else (other, one)
        killed.kill()
        ((expiry,),) = stack.query("SELECT CAST(lease_expires_at AS TEXT) FROM chunks WHERE attempt = 1")
        wait_until(lambda: stack.query("SELECT 1 FROM chunks WHERE attempt = 2"), "the other goes on")
        begun = datetime.now(UTC)
        heir.kill()
    expired = datetime.fromisoformat(expiry)
    gap = (begun - (expired if expired.tzinfo else expired.replace(tzinfo=UTC))).total_seconds()
    print(f"{gap:.2f} s from the end of the lease to the next attempt")
    assert gap < RESTART_SECONDS


def dump(stack: Stack) -> dict[str, list[str]]:
    """All that workers write of jobs."""
    return {table: sorted(map(repr, stack.query(f"SELECT * FROM {table}"))) for table in TABLES}


def count_fenced(stack: Stack) -> int:
    reports = stack.query("SELECT CAST(counters AS TEXT) FROM workers")
    return sum(json.loads(counters)["attempts"]["fenced"] for (counters,) in reports)


@pytest.mark.timeout(180)
def test_a_worker_that_wakes_after_its_lease_writes_nothing(stack: Stack) -> None:
    environment = {**stack.environment, "RMATCH_WORKER_HEARTBEAT_SECONDS": "0.5"}
    job_id = stack.submit(LONG, chunk_size=LONG.n)
    with run_rmatch("worker", environment=environment) as zombie:
        wait_until(lambda: "chunk_started" in zombie.output(), "the worker takes the chunk")
        os.killpg(zombie.process.pid, signal.SIGSTOP)
        try:
            with run_rmatch("sweep", environment=environment), run_rmatch("worker", environment=environment):
                assert stack.wait_for(job_id).state is JobState.SUCCEEDED
            before = dump(stack)
        finally:
            os.killpg(zombie.process.pid, signal.SIGCONT)
        wait_until(lambda: "chunk_fenced" in zombie.output(), "the zombie notices")
        wait_until(lambda: count_fenced(stack) == 1, "the zombie has counted it")
        assert dump(stack) == before
