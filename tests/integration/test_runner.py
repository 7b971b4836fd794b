"""What becomes of a chunk: recorded, given back, or parked with its cause."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from stacks import Stack

from rm_engine.spec import GenerationSpec
from service.domain import ChunkState, HullEntry, HullSystem, JobState, Progress
from service.domain.ids import chunk_id_of
from service.jobs import cancel_job, seed_known_crystals
from worker import runner as runner_module
from worker.analysis import measure_hulls
from worker.runner import MAX_ATTEMPTS, ChunkRunner

SPEC = GenerationSpec(composition="C", n=4, formula_units=(2,), model="diamond", max_steps=300)


@pytest.fixture
def runner(stack: Stack) -> Iterator[ChunkRunner]:
    """A runner in this process."""
    with closing(ChunkRunner(stack.settings)) as opened:
        yield opened


def run_all(stack: Stack, runner: ChunkRunner, job_id: str) -> None:
    """Run the queued chunks of a job until there are none."""
    chunk_ids = [chunk_id_of(job_id, number) for number in range(4)]
    while queued := [chunk_id for chunk_id in chunk_ids if stack.chunk_state(chunk_id) is ChunkState.QUEUED]:
        for chunk_id in queued:
            runner.run(chunk_id)


def test_a_job_is_generated_matched_and_analysed(stack: Stack, runner: ChunkRunner) -> None:
    seed_known_crystals(stack.store)
    job_id = stack.submit(SPEC, chunk_size=2)
    run_all(stack, runner, job_id)
    job, structures = stack.job(job_id), stack.structures(job_id)
    assert (job.state, job.error) == (JobState.SUCCEEDED, None)
    assert sorted(structure.sample for structure in structures) == [0, 1, 2, 3]
    lowest = min(structures, key=lambda structure: structure.pseudo_energy_per_atom)
    assert (lowest.space_group_number, lowest.duplicate_of) == (227, None)
    assert "diamond" in lowest.matches[0].name
    assert all(
        structure.duplicate_of is not None for structure in structures if structure.matches and structure != lowest
    )
    converged = [structure for structure in structures if structure.converged]
    assert all(structure.energy_above_hull is not None for structure in converged)


def test_a_chunk_runs_once_however_often_it_is_announced(stack: Stack, runner: ChunkRunner) -> None:
    job_id = stack.submit(SPEC, chunk_size=4)
    for _ in range(2):
        runner.run(chunk_id_of(job_id, 0))
    assert stack.job(job_id).counts.finished == SPEC.n
    runner.run("no-such-chunk")


def test_a_job_whose_model_is_gone_fails_with_that_reason(stack: Stack, runner: ChunkRunner) -> None:
    job_id = stack.submit(GenerationSpec(composition="C", n=1, model="gone"), chunk_size=1)
    run_all(stack, runner, job_id)
    job = stack.job(job_id)
    assert job.state is JobState.FAILED
    assert job.error is not None
    assert "There is no model 'gone'" in job.error


def test_a_job_whose_checkpoint_is_damaged_fails_with_that_reason(stack: Stack, tmp_path: Path) -> None:
    (tmp_path / "damaged.json").write_text("{}")
    settings = stack.settings.model_copy(update={"models_dir": tmp_path})
    job_id = stack.submit(GenerationSpec(composition="C", n=1, model="damaged"), chunk_size=1)
    with closing(ChunkRunner(settings)) as runner:
        run_all(stack, runner, job_id)
    job = stack.job(job_id)
    assert job.state is JobState.FAILED
    assert job.error is not None
    assert "not the JSON half of a checkpoint" in job.error


def test_a_chunk_that_breaks_is_tried_again_and_then_parked_with_its_cause(
    stack: Stack, runner: ChunkRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    attempts = []

    def break_down(*_arguments: object) -> None:
        attempts.append(1)
        raise ZeroDivisionError("a defect")

    monkeypatch.setattr(runner_module, "generate_chunk", break_down)
    job_id = stack.submit(SPEC, chunk_size=4)
    run_all(stack, runner, job_id)
    job = stack.job(job_id)
    assert (job.state, len(attempts)) == (JobState.FAILED, MAX_ATTEMPTS)
    assert job.error == "Samples 0 to 3 broke 3 times: ZeroDivisionError: a defect"


def test_a_cancelled_job_stops_in_the_middle_of_a_chunk(stack: Stack, runner: ChunkRunner) -> None:
    spec = GenerationSpec(composition="C", n=8, formula_units=(8,), model="diamond", fmax=1e-5, max_steps=10_000)
    job_id = stack.submit(spec, chunk_size=8)
    beat = runner_module.Heartbeat.beat

    def cancel_and_beat(heartbeat: runner_module.Heartbeat, progress: Progress) -> None:
        if progress.n_steps and stack.job(job_id).state is JobState.RUNNING:
            cancel_job(stack.store, job_id)
        beat(heartbeat, progress)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(runner_module.Heartbeat, "beat", cancel_and_beat)
        runner.run(chunk_id_of(job_id, 0))
    assert stack.job(job_id).state is JobState.CANCELLED
    assert stack.structures(job_id) == []


def test_a_system_with_an_element_of_unknown_energy_has_no_hull() -> None:
    compound = HullEntry(structure_id="a", formula="Li2S", pseudo_energy_per_atom=-1.0)
    elemental = HullEntry(structure_id="b", formula="S4", pseudo_energy_per_atom=0.5)
    system = HullSystem(chemsys="Li-S", members=(compound,), subsystems=())
    assert measure_hulls([system], {"Li": 0.0}) == {}
    completed = HullSystem(chemsys="Li-S", members=(compound,), subsystems=(elemental,))
    assert measure_hulls([completed], {"Li": 0.0}) == {"a": 0.0}
