"""A job of a chemical system, run by real workers to its hull."""

from __future__ import annotations

from contextlib import closing
from itertools import groupby

import pytest
from processes import run_rmatch
from servers import wait_until
from stacks import Stack

from rm_engine.analysis import energies_above_hull
from rm_engine.spec import GenerationSpec, find_model, parse_formula, read_card
from service.domain import PUBLIC_GROUP, JobState
from service.domain.ids import chunk_id_of
from service.domain.views import StructureQuery
from service.jobs import claim_chunk, load_prototypes, seed_known_crystals
from worker.runner import ChunkRunner

SPEC = GenerationSpec(composition="S-Li", n=24, model="mp20-plus", max_steps=300, seed=3)


def run(stack: Stack, *, chunk_size: int) -> str:
    """Run a job of its own in this process; its id."""
    job_id = stack.submit(SPEC, chunk_size=chunk_size)
    with closing(ChunkRunner(stack.settings)) as runner:
        for number in range(-(-SPEC.n // chunk_size) + 1):
            runner.run(chunk_id_of(job_id, number))
    return job_id


def atoms_of(stack: Stack, job_id: str) -> list[tuple[object, ...]]:
    """What was found for each sample, to the last bit."""
    return stack.query(
        "SELECT sample, reduced_formula, start, start_origin, pseudo_energy_per_atom, CAST(atoms AS TEXT)"
        " FROM structures JOIN structure_atoms ON structure_id = structures.id WHERE job_id = :job ORDER BY sample",
        job=job_id,
    )


def test_one_job_gives_the_hull_of_its_system(stack: Stack) -> None:
    seed_known_crystals(stack.store)
    job_id = run(stack, chunk_size=7)
    assert (stack.job(job_id).state, stack.job(job_id).error) == (JobState.SUCCEEDED, None)
    found = sorted(stack.structures(job_id), key=lambda view: view.sample)
    assert [view.reduced_formula for view in found] == [SPEC.formula_of(view.sample).reduced for view in found]
    in_order = [formula for formula, _ in groupby(view.reduced_formula for view in found)]
    assert in_order == [part.formula.reduced for part in SPEC.parts]
    assert len(in_order) > 3

    converged = [view for view in found if view.converged]
    expected = energies_above_hull(
        [dict(parse_formula(view.reduced_formula).counts) for view in converged],
        [view.ranking_energy for view in converged],
        read_card(find_model(SPEC.model)).reference_energies,
    )
    assert [view.energy_above_hull for view in converged] == pytest.approx(expected, abs=1e-6)
    with stack.store.reading() as tx:
        query = StructureQuery(group=PUBLIC_GROUP, chemsys="Li-S", on_hull=True)
        on_hull = {view.reduced_formula for view in tx.structure_views.search(query).items}
    assert "Li2S" in on_hull

    matched = {match.formula for view in found for match in view.matches}
    assert matched == {"Li2S"}, "known crystals are compared with what has their formula"
    assert all(not view.matches for view in found if view.reduced_formula != "Li2S")
    originals = {view.id: view.reduced_formula for view in found}
    assert all(originals[view.duplicate_of] == view.reduced_formula for view in found if view.duplicate_of)
    described = stack.query("SELECT reduced_formula FROM compositions WHERE chemsys = 'Li-S'")
    assert {formula for (formula,) in described} == set(in_order)


def test_the_same_structures_in_whatever_chunks(stack: Stack) -> None:
    seed_known_crystals(stack.store)
    first, again = (run(stack, chunk_size=size) for size in (24, 5))
    assert len(atoms_of(stack, first)) == SPEC.n
    assert atoms_of(stack, first) == atoms_of(stack, again)


def test_starts_are_offered_the_known_crystals_of_every_pattern_in_the_chunk(stack: Stack) -> None:
    seed_known_crystals(stack.store)
    job_id = stack.submit(SPEC, chunk_size=SPEC.n)
    claim = claim_chunk(stack.store, chunk_id_of(job_id, 0), "worker", 60)
    assert claim is not None
    patterns = {reference.formula.anonymous for reference in load_prototypes(stack.store, claim)}
    assert {"AB", "AB2"} < patterns <= {part.formula.anonymous for part in SPEC.parts}


@pytest.mark.timeout(240)
def test_a_worker_killed_in_it_changes_no_structure(stack: Stack) -> None:
    seed_known_crystals(stack.store)
    job_id = stack.submit(SPEC, chunk_size=SPEC.n)
    with run_rmatch("sweep", environment=stack.environment):
        with run_rmatch("worker", environment=stack.environment) as worker:
            wait_until(lambda: "chunk_started" in worker.output(), "the worker takes a chunk")
            worker.kill()
        with run_rmatch("worker", environment=stack.environment):
            job = stack.wait_for(job_id)
    assert (job.state, job.error) == (JobState.SUCCEEDED, None)
    assert stack.query("SELECT 1 FROM chunks WHERE lost_attempts > 0")
    assert atoms_of(stack, job_id) == atoms_of(stack, run(stack, chunk_size=SPEC.n))
