"""A training as a job: it makes a model, goes on where it stopped, and writes nothing once it is another's."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from typing import Any

import pytest
from ase import Atoms
from ase.build import bulk
from packed import pack
from stacks import Stack

from rm_engine.errors import ModelNotFoundError
from rm_engine.files import to_json
from rm_engine.spec import GenerationSpec, ModelSpec, pack_model, unpack_card
from service.domain import PUBLIC_GROUP, JobState, ModelInUseError, NameTakenError, NotFoundError, TrainingClaim
from service.domain.ids import chunk_id_of
from service.jobs import (
    add_model,
    cancel_job,
    claim_chunk,
    delete_model,
    find_own_model,
    load_own_model,
    record_model,
    save_training,
    submit_training,
)
from worker import training
from worker.runner import ChunkRunner

DIAMOND = bulk("C", "diamond", a=3.567)
CONTENT = pack("diamond")
SPEC = ModelSpec(name="mine", n_structures=1, n_atoms=2, n_epochs=3)


@pytest.fixture
def runner(stack: Stack) -> Iterator[ChunkRunner]:
    """A runner in this process."""
    with closing(ChunkRunner(stack.settings)) as opened:
        yield opened


def submit(stack: Stack, spec: ModelSpec = SPEC, *structures: Atoms) -> str:
    return submit_training(stack.store, spec, [to_json(atoms) for atoms in structures or (DIAMOND,)])


def claim(stack: Stack, job_id: str, worker: str = "worker") -> TrainingClaim:
    found = claim_chunk(stack.store, chunk_id_of(job_id, 0), worker, 60.0)
    assert isinstance(found, TrainingClaim)
    return found


def content_of(stack: Stack, name: str) -> bytes:
    return load_own_model(stack.store, name, PUBLIC_GROUP)


def curve_of(stack: Stack, job_id: str) -> list[dict[str, Any]]:
    with stack.store.reading() as tx:
        return tx.models.curve(job_id, PUBLIC_GROUP)


def test_a_training_makes_a_model_that_generates(stack: Stack, runner: ChunkRunner) -> None:
    job_id = submit(stack)
    runner.run(chunk_id_of(job_id, 0))
    job = stack.job(job_id)
    assert (job.state, job.error, job.progress) == (JobState.SUCCEEDED, None, 1.0)
    assert [record["epoch"] for record in curve_of(stack, job_id)] == [1, 2, 3]
    model = find_own_model(stack.store, "mine", PUBLIC_GROUP)
    assert (model.job_id, unpack_card(content_of(stack, "mine")).elements) == (job_id, ("C",))
    search = stack.submit(
        GenerationSpec(composition="C", n=2, formula_units=(2,), model="mine", max_steps=20), chunk_size=2
    )
    for number in range(2):
        runner.run(chunk_id_of(search, number))
    structures = stack.structures(search)
    assert {(found.model, found.model_fingerprint) for found in structures} == {("mine", model.fingerprint)}
    assert stack.job(search).state is JobState.SUCCEEDED


def test_a_training_gives_way_and_comes_to_the_same_in_the_end(
    stack: Stack, runner: ChunkRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = submit(stack)
    runner.run(chunk_id_of(whole, 0))
    undisturbed = content_of(stack, "mine")
    delete_model(stack.store, "mine", PUBLIC_GROUP)
    parts = submit(stack)
    settings = stack.settings.model_copy(update={"chunk_seconds": 1e-3})  # a turn is over after the first epoch
    monkeypatch.setattr(training.Heartbeat, "check", lambda _self: None)
    with closing(ChunkRunner(settings)) as hasty:
        for n_epochs in (1, 2):
            hasty.run(chunk_id_of(parts, 0))
            assert (stack.job(parts).state, len(curve_of(stack, parts))) == (JobState.RUNNING, n_epochs)
        hasty.run(chunk_id_of(parts, 0))
    assert stack.job(parts).state is JobState.SUCCEEDED
    assert content_of(stack, "mine") == undisturbed
    assert curve_of(stack, parts) == curve_of(stack, whole)
    ((attempts, lost),) = stack.query("SELECT attempt, lost_attempts FROM chunks WHERE job_id = :job", job=parts)
    assert (attempts, lost) == (3, 0)


def test_a_claim_that_was_lost_writes_nothing(stack: Stack) -> None:
    job_id = submit(stack)
    late = claim(stack, job_id)
    with stack.store.transaction() as tx:
        assert tx.chunks.release(late)
    holder = claim(stack, job_id, "other")
    card = unpack_card(CONTENT)
    assert not save_training(stack.store, late, b"late", [{"epoch": 1}])
    assert not record_model(stack.store, late, card, CONTENT, [])
    assert (curve_of(stack, job_id), stack.job(job_id).state) == ([], JobState.RUNNING)
    assert save_training(stack.store, holder, b"state", [{"epoch": 1}])
    assert record_model(stack.store, holder, card, CONTENT, [{"epoch": 1}])
    assert not record_model(stack.store, holder, card, CONTENT, []), "once"


def test_a_name_is_given_once(stack: Stack) -> None:
    first = submit(stack)
    with pytest.raises(NameTakenError, match="'mine'"):
        submit(stack)
    cancel_job(stack.store, first, PUBLIC_GROUP)
    submit(stack)
    card = replace(unpack_card(CONTENT), name="uploaded")
    stored = add_model(stack.store, card, CONTENT, PUBLIC_GROUP)
    assert add_model(stack.store, card, CONTENT, PUBLIC_GROUP) == stored, "the very same again"
    with pytest.raises(NameTakenError):
        submit(stack, replace(SPEC, name="uploaded"))


def test_a_name_that_was_given_away_meanwhile_fails_the_training(stack: Stack, runner: ChunkRunner) -> None:
    job_id = submit(stack)
    with stack.store.transaction() as tx:
        tx.models.add(replace(unpack_card(CONTENT), name="mine"), CONTENT, PUBLIC_GROUP)
    runner.run(chunk_id_of(job_id, 0))
    job = stack.job(job_id)
    assert job.state is JobState.FAILED
    assert job.error is not None
    assert "'mine'" in job.error


def test_a_model_is_deleted_when_nobody_waits_for_it(stack: Stack) -> None:
    add_model(stack.store, replace(unpack_card(CONTENT), name="mine"), CONTENT, PUBLIC_GROUP)
    search = stack.submit(GenerationSpec(composition="C", n=1, model="mine"), chunk_size=1)
    tuning = submit(stack, replace(SPEC, name="tuned", base="mine"))
    with pytest.raises(ModelInUseError, match="2 jobs"):
        delete_model(stack.store, "mine", PUBLIC_GROUP)
    for job_id in (search, tuning):
        cancel_job(stack.store, job_id, PUBLIC_GROUP)
    with pytest.raises(NotFoundError):
        delete_model(stack.store, "mine", "others")
    delete_model(stack.store, "mine", PUBLIC_GROUP)
    with pytest.raises(ModelNotFoundError):
        find_own_model(stack.store, "mine", PUBLIC_GROUP)


def test_what_cannot_be_learned_from_fails_at_once_with_its_reason(stack: Stack, runner: ChunkRunner) -> None:
    fused = Atoms("C2", positions=[[0, 0, 0], [0, 0, 0.1]], cell=[4, 4, 4], pbc=True)
    job_id = submit(stack, replace(SPEC, n_structures=2, n_atoms=4), DIAMOND, fused)
    runner.run(chunk_id_of(job_id, 0))
    job = stack.job(job_id)
    assert job.state is JobState.FAILED
    assert job.error is not None
    assert "training structure 1: two atoms are 0.10 Å apart" in job.error


def test_a_model_that_knows_no_element_by_itself_makes_crystals_without_a_hull(
    stack: Stack, runner: ChunkRunner
) -> None:
    """After one epoch nothing simple may come to rest, of which the end members would be."""
    card = replace(unpack_card(CONTENT), name="young", reference_energies={}, training={"boundary": "crystal"})
    add_model(stack.store, card, pack_model(card.to_json(), CONTENT), PUBLIC_GROUP)
    job_id = stack.submit(
        GenerationSpec(composition="C", n=2, formula_units=(2,), model="young", max_steps=50), chunk_size=2
    )
    for number in range(2):
        runner.run(chunk_id_of(job_id, number))
    assert (stack.job(job_id).state, stack.job(job_id).error) == (JobState.SUCCEEDED, None)


def test_a_search_with_a_model_that_is_gone_says_so(stack: Stack, runner: ChunkRunner) -> None:
    job_id = stack.submit(GenerationSpec(composition="C", n=1, model="gone"), chunk_size=1)
    runner.run(chunk_id_of(job_id, 0))
    assert "There is no model 'gone'" in str(stack.job(job_id).error)
