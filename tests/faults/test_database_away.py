"""PostgreSQL stops while a worker computes: its result waits, and no attempt is lost."""

from __future__ import annotations

import pytest
from processes import run_rmatch
from servers import PostgresServer, wait_until
from stacks import Stack

from rm_engine.spec import GenerationSpec
from service.domain import JobState

SPEC = GenerationSpec(composition="C", n=200, formula_units=(20,), model="diamond", max_steps=2000)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("stack", ["servers"], indirect=True)
def test_a_result_waits_for_the_database(stack: Stack, postgres_server: PostgresServer) -> None:
    environment = {**stack.environment, "RMATCH_LEASE_SECONDS": "60"}
    with run_rmatch("worker", environment=environment) as worker:
        job_id = stack.submit(SPEC, chunk_size=SPEC.n)
        wait_until(lambda: stack.job(job_id).n_steps > 0, "the worker computes")
        with postgres_server.process.stopped():
            wait_until(lambda: "database_unavailable" in worker.output(), "there is a result to record")
        assert stack.wait_for(job_id).state is JobState.SUCCEEDED
    assert set(stack.query("SELECT attempt, lost_attempts FROM chunks")) == {(1, 0)}
