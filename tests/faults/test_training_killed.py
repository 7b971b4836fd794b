"""A worker dies without a word in the middle of a training; the next one goes on, and comes to the same bit for bit."""

from __future__ import annotations

import pytest
from ase.build import bulk
from processes import run_rmatch
from servers import wait_until
from stacks import Stack

from rm_engine.files import to_json
from rm_engine.spec import ModelSpec
from service.domain import PUBLIC_GROUP, JobState
from service.jobs import announce_due_chunks, delete_model, load_own_model, submit_training

SPEC = ModelSpec(name="mine", n_structures=1, n_atoms=2, n_epochs=14)


def submit(stack: Stack) -> str:
    job_id = submit_training(stack.store, SPEC, [to_json(bulk("C", "diamond", a=3.567))])
    announce_due_chunks(stack.store, stack.queue.announce, stack.settings.reannounce_seconds, job_id=job_id)
    return job_id


def n_kept(stack: Stack, job_id: str) -> int:
    """Epochs that the database knows of."""
    with stack.store.reading() as tx:
        return len(tx.models.curve(job_id, PUBLIC_GROUP))


@pytest.mark.timeout(240)
def test_a_training_survives_its_worker_and_comes_to_the_same(stack: Stack) -> None:
    with run_rmatch("sweep", environment=stack.environment):
        job_id = submit(stack)
        with run_rmatch("worker", environment=stack.environment) as worker:
            wait_until(lambda: n_kept(stack, job_id), "a state is kept", 90)
            worker.kill()
        assert 0 < n_kept(stack, job_id) < SPEC.n_epochs
        with run_rmatch("worker", environment=stack.environment):
            job = stack.wait_for(job_id)
            assert (job.state, job.error, job.counts.finished) == (JobState.SUCCEEDED, None, SPEC.n_epochs)
            survived = load_own_model(stack.store, "mine", PUBLIC_GROUP)
            delete_model(stack.store, "mine", PUBLIC_GROUP)
            assert stack.wait_for(submit(stack)).state is JobState.SUCCEEDED
    assert load_own_model(stack.store, "mine", PUBLIC_GROUP) == survived
