"""A second opinion as a job: recorded once, under the claim, and shown beside the structure."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace

import pytest
from ase.build import bulk
from stacks import Stack

from rm_engine.adapters import chgnet
from rm_engine.adapters.chgnet import NoOpinionError, Opinion
from rm_engine.files import from_json
from rm_engine.spec import GenerationSpec, OpinionSpec
from service.domain import PUBLIC_GROUP, JobState, OpinionClaim, OpinionRecord
from service.domain.ids import chunk_id_of
from service.domain.views import StructureQuery, StructureView
from service.jobs import cancel_job, claim_chunk, load_asked, record_opinions, submit_opinions
from worker.runner import ChunkRunner

DIAMOND = bulk("C", "diamond", a=3.567)


@pytest.fixture
def runner(stack: Stack) -> Iterator[ChunkRunner]:
    """A runner in this process."""
    with closing(ChunkRunner(stack.settings)) as opened:
        yield opened


@pytest.fixture
def carbon(stack: Stack, runner: ChunkRunner) -> list[StructureView]:
    """Six structures of carbon."""
    spec = GenerationSpec(composition="C", n=6, formula_units=(2,), model="diamond", max_steps=300, seed=1)
    job_id = stack.submit(spec, chunk_size=6)
    for number in range(2):
        runner.run(chunk_id_of(job_id, number))
    found = stack.structures(job_id)
    assert len(found) == 6
    return found


def ask(stack: Stack, structures: list[StructureView], **options: int) -> str:
    n_atoms = sum(view.n_atoms for view in structures)
    spec = OpinionSpec(n_structures=len(structures), n_atoms=n_atoms, **options)
    return submit_opinions(stack.store, spec, [view.id for view in structures])


def claim(stack: Stack, job_id: str, number: int = 0, worker: str = "worker") -> OpinionClaim:
    found = claim_chunk(stack.store, chunk_id_of(job_id, number), worker, 60.0)
    assert isinstance(found, OpinionClaim)
    return found


def seen(stack: Stack, job_id: str) -> list[StructureView]:
    with stack.store.reading() as tx:
        return tx.structure_views.search(StructureQuery(group=PUBLIC_GROUP, opinion_job=job_id)).items


def record_of(structure_id: str, energy: float) -> OpinionRecord:
    return OpinionRecord(
        structure_id=structure_id,
        potential="CHGNet",
        atoms={"numbers": [6]},
        energy_per_atom=energy,
        formation_energy_per_atom=None,
        volume_per_atom=5.0,
        is_kept=True,
        converged=True,
        n_steps=3,
    )


def test_chgnet_is_asked_by_real_workers(stack: Stack, runner: ChunkRunner, carbon: list[StructureView]) -> None:
    job_id = ask(stack, carbon, max_steps=20)
    for number in range(2):
        assert stack.job(job_id).state is not JobState.SUCCEEDED
        runner.run(chunk_id_of(job_id, number))
    job = stack.job(job_id)
    assert (job.state, job.error, job.progress, job.counts.finished) == (JobState.SUCCEEDED, None, 1.0, 6)
    found = seen(stack, job_id)
    assert {view.id for view in found} == {view.id for view in carbon}
    for view in found:
        assert view.opinion is not None
        assert view.opinion.job_id == job_id
        assert view.opinion.potential == "CHGNet 0.3.0"
        assert -10 < view.opinion.energy_per_atom < -5
        assert view.opinion.formation_energy_per_atom is not None
        with stack.store.reading() as tx:
            atoms = from_json(tx.opinions.atoms_of(view.id) or {})
        assert atoms.get_volume() / len(atoms) == pytest.approx(view.opinion.volume_per_atom)


def test_a_claim_that_was_lost_writes_nothing(stack: Stack, carbon: list[StructureView]) -> None:
    job_id = ask(stack, carbon[:1])
    late = claim(stack, job_id)
    with stack.store.transaction() as tx:
        assert tx.chunks.release(late)
    holder = claim(stack, job_id, worker="other")
    assert not record_opinions(stack.store, late, [record_of(carbon[0].id, -1.0)])
    assert seen(stack, job_id) == []
    assert record_opinions(stack.store, holder, [record_of(carbon[0].id, -2.0)])
    assert not record_opinions(stack.store, holder, [record_of(carbon[0].id, -3.0)]), "once"
    (view,) = seen(stack, job_id)
    assert view.opinion is not None
    assert view.opinion.energy_per_atom == -2.0
    assert stack.job(job_id).state is JobState.SUCCEEDED


def test_the_latest_takes_the_place_of_what_was_asked_before(stack: Stack, carbon: list[StructureView]) -> None:
    jobs = [ask(stack, carbon[:2]), ask(stack, carbon[:1])]
    for job_id, energy in zip(jobs, (-1.0, -2.0), strict=True):
        held = claim(stack, job_id)
        records = [record_of(one.id, energy) for one in load_asked(stack.store, held)]
        assert record_opinions(stack.store, held, records)
    assert [[view.id for view in seen(stack, job_id)] for job_id in jobs] == [[carbon[1].id], [carbon[0].id]]
    (view,) = seen(stack, jobs[1])
    assert view.opinion is not None
    assert view.opinion.energy_per_atom == -2.0


def test_many_are_asked_about_in_parts_in_their_order(stack: Stack, carbon: list[StructureView]) -> None:
    job_id = ask(stack, carbon)
    parts = [[one.id for one in load_asked(stack.store, claim(stack, job_id, number))] for number in range(2)]
    assert parts == [[view.id for view in carbon[:4]], [view.id for view in carbon[4:]]]
    cancel_job(stack.store, job_id, PUBLIC_GROUP)
    assert stack.job(job_id).state is JobState.CANCELLED


def test_what_it_makes_nothing_of_is_counted_and_the_others_go_on(
    stack: Stack, runner: ChunkRunner, carbon: list[StructureView], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []

    def answer(atoms: object, **_options: object) -> Opinion:
        asked.append(len(asked))
        if len(asked) == 2:
            raise NoOpinionError("CHGNet can make nothing of it.")
        return Opinion(DIAMOND.copy(), -9.0, 0.1, True, 7)

    monkeypatch.setattr(chgnet, "ask_chgnet", answer)
    job_id = ask(stack, carbon[:3])
    runner.run(chunk_id_of(job_id, 0))
    job = stack.job(job_id)
    assert (job.state, job.counts.failed, len(seen(stack, job_id))) == (JobState.SUCCEEDED, 1, 2)
    assert stack.query("SELECT sample, reason FROM failed_samples WHERE job_id = :job", job=job_id) == [
        (1, "CHGNet can make nothing of it.")
    ]


def test_where_it_is_not_installed_the_job_says_so(
    stack: Stack, runner: ChunkRunner, carbon: list[StructureView], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chgnet, "find_spec", lambda _name: None)
    chgnet._load_calculator.cache_clear()
    job_id = ask(stack, carbon[:1])
    runner.run(chunk_id_of(job_id, 0))
    job = stack.job(job_id)
    assert job.state is JobState.FAILED
    assert "Install rmatch[chgnet]" in str(job.error)


def test_the_way_down_takes_opinions_along(stack: Stack, carbon: list[StructureView]) -> None:
    job_id = ask(stack, carbon[:1])
    assert record_opinions(stack.store, claim(stack, job_id), [record_of(carbon[0].id, -1.0)])
    waiting = ask(stack, carbon[1:2])
    stack.store.migrate("0008")
    stack.store.migrate()
    assert stack.query("SELECT id FROM jobs WHERE id IN (:one, :other)", one=job_id, other=waiting) == []
    found = stack.structures(carbon[0].job_id)
    assert [replace(view, matches=()) for view in found] == [replace(view, matches=()) for view in carbon]
