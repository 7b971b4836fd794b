"""What becomes of a chunk: recorded, given back, or parked with its cause."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from stacks import Stack

from rm_engine.spec import GenerationSpec, SeedStructure, StartMix, read_card
from rm_engine.spec.card import SHIPPED_MODELS
from service.domain import PUBLIC_GROUP, ChunkState, HullEntry, HullSystem, JobState, Progress
from service.domain.ids import chunk_id_of
from service.jobs import cancel_job, seed_known_crystals
from worker import execution
from worker.analysis import measure_hulls
from worker.lease import Heartbeat
from worker.runner import ChunkRunner

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


def test_starts_from_known_crystals_name_them_and_are_the_same_again(stack: Stack, runner: ChunkRunner) -> None:
    """What a start was made from shows beside what came of it: a match with the same reference is no discovery."""
    seed_known_crystals(stack.store)
    spec = replace(SPEC, starts=StartMix(references=1))
    first, again = (stack.submit(spec, chunk_size=size) for size in (4, 1))
    for job_id in (first, again):
        run_all(stack, runner, job_id)
    structures = sorted(stack.structures(first), key=lambda structure: structure.sample)
    repeated = sorted(stack.structures(again), key=lambda structure: structure.sample)
    assert {structure.start for structure in structures} == {"references"}
    assert [s.start_origin for s in structures] == [s.start_origin for s in repeated]
    assert any(match.reference == s.start_origin for s in structures for match in s.matches)


def test_without_references_the_search_is_blind(stack: Stack, runner: ChunkRunner) -> None:
    seed_known_crystals(stack.store)
    job_id = stack.submit(replace(SPEC, starts=StartMix(random=1)), chunk_size=4)
    run_all(stack, runner, job_id)
    assert {(s.start, s.start_origin) for s in stack.structures(job_id)} == {("random", None)}


def test_space_groups_hold_for_all_that_is_found(stack: Stack, runner: ChunkRunner) -> None:
    job_id = stack.submit(replace(SPEC, space_groups=("hexagonal", 227)), chunk_size=2)
    run_all(stack, runner, job_id)
    found = {structure.space_group_number for structure in stack.structures(job_id)}
    assert found
    assert all(number is not None and number >= 168 for number in found), "one asked for, or a higher one"


def test_what_is_added_to_a_seed_structure_is_recorded_with_it(stack: Stack, runner: ChunkRunner) -> None:
    there = SeedStructure(
        numbers=(6, 6),
        positions=((0.0, 0.0, 7.5), (0.0, 1.42, 7.5)),
        cell=((2.46, 0.0, 0.0), (1.23, 2.13, 0.0), (0.0, 0.0, 15.0)),
        periodic=(True, True, False),
    )
    job_id = stack.submit(replace(SPEC, formula_units=None, seed_structure=there, layer=(7.5, 10.0)), chunk_size=2)
    run_all(stack, runner, job_id)
    assert stack.job(job_id).state == JobState.SUCCEEDED
    structures = stack.structures(job_id)
    assert {(structure.formula, structure.n_atoms) for structure in structures} == {("C3", 3)}
    assert all(structure.energy_above_hull is None for structure in structures), "no crystals"


def test_molecules_are_examined(stack: Stack, runner: ChunkRunner) -> None:
    job_id = stack.submit(replace(SPEC, periodic=(False, False, False)), chunk_size=4)
    run_all(stack, runner, job_id)
    structures = stack.structures(job_id)
    assert len(structures) == SPEC.n
    for structure in structures:
        assert structure.molecule is not None
        assert "sanitization" in structure.molecule.checks
        assert structure.molecule.passes_checks is all(structure.molecule.checks.values())
        assert (structure.energy_above_hull, structure.space_group_number) == (None, None)


def test_what_new_weights_make_has_a_hull_of_its_own(stack: Stack, tmp_path: Path) -> None:
    """The same name, other weights: neither's energies touch the other's distances."""
    settings = stack.settings.model_copy(update={"models_dir": tmp_path})
    for name in ("json", "safetensors"):
        shutil.copy(SHIPPED_MODELS / f"diamond.{name}", tmp_path)
    jobs, fingerprints = [], []
    with closing(ChunkRunner(settings)) as runner:
        for shift in (0.0, 100.0):
            card = read_card(tmp_path / "diamond.json")
            moved = replace(card, reference_energies={"C": card.reference_energies["C"] - shift})
            (tmp_path / "diamond.json").write_text(moved.to_json())
            job_id = stack.submit(SPEC, chunk_size=4)
            run_all(stack, runner, job_id)
            structures = [structure for structure in stack.structures(job_id) if structure.converged]
            assert all((structure.energy_above_hull or 0) >= shift for structure in structures)
            jobs.append(job_id)
            fingerprints.append({structure.model_fingerprint for structure in structures})
        before = [s for s in stack.structures(jobs[0]) if s.converged]
    assert all((structure.energy_above_hull or 0) < 50 for structure in before)
    assert [len(found) for found in fingerprints] == [1, 1]
    assert fingerprints[0] != fingerprints[1]


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

    monkeypatch.setattr(execution, "generate_chunk", break_down)
    job_id = stack.submit(SPEC, chunk_size=4)
    run_all(stack, runner, job_id)
    job = stack.job(job_id)
    assert (job.state, len(attempts)) == (JobState.FAILED, 3)
    assert job.error == "Samples 0 to 3 failed 3 times, the last time with this cause: ZeroDivisionError: a defect."


def test_a_cancelled_job_stops_in_the_middle_of_a_chunk(stack: Stack, runner: ChunkRunner) -> None:
    spec = GenerationSpec(composition="C", n=8, formula_units=(8,), model="diamond", fmax=1e-5, max_steps=10_000)
    job_id = stack.submit(spec, chunk_size=8)
    beat = Heartbeat.beat

    def cancel_and_beat(heartbeat: Heartbeat, progress: Progress) -> None:
        if progress.n_steps and stack.job(job_id).state is JobState.RUNNING:
            cancel_job(stack.store, job_id, PUBLIC_GROUP)
        beat(heartbeat, progress)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Heartbeat, "beat", cancel_and_beat)
        runner.run(chunk_id_of(job_id, 0))
    assert stack.job(job_id).state is JobState.CANCELLED
    assert stack.structures(job_id) == []


def test_a_system_with_an_element_of_unknown_energy_has_no_hull() -> None:
    compound, elemental = (
        HullEntry(reduced_formula=formula, lowest_energy=energy, hull_energy=None, is_measured=False)
        for formula, energy in (("Li2S", -1.0), ("S", 0.5))
    )
    system = HullSystem(chemsys="Li-S", members=(compound,), subsystems=())
    assert measure_hulls([system], {"Li": 0.0}) == {}
    completed = HullSystem(chemsys="Li-S", members=(compound,), subsystems=(elemental,))
    assert measure_hulls([completed], {"Li": 0.0}) == {"Li2S": -1.0}
