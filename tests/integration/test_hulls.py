"""What the pseudo hulls are made of."""

from __future__ import annotations

import pytest
from databases import FINGERPRINT, lis2, record, run_job

from rm_engine.spec import GenerationSpec
from service.domain import HullEntry, HullSystem
from service.jobs import (
    claim_chunk,
    list_due_chunks,
    load_hull_systems,
    load_job_structures,
    record_analysis,
    record_generated,
    submit_job,
)
from service.store import Store


def one(composition: str, **fields: object) -> GenerationSpec:
    return GenerationSpec(**{"composition": composition, "n": 1, "formula_units": (1,), **fields})  # type: ignore[arg-type]


def systems_of(store: Store, spec: GenerationSpec, energies: list[float]) -> tuple[str, dict[str, HullSystem]]:
    """Bring a job to its analysis; the id of the job, and what the analysis would work on."""
    job_id = submit_job(store, spec)
    (chunk_id,) = list_due_chunks(store, job_id=job_id)
    claim = claim_chunk(store, chunk_id, "w", 60)
    assert claim is not None
    record_generated(store, claim, [record(k, energy) for k, energy in enumerate(energies)])
    (chunk_id,) = list_due_chunks(store, job_id=job_id)
    claim = claim_chunk(store, chunk_id, "w", 60)
    assert claim is not None
    return job_id, {system.chemsys: system for system in load_hull_systems(store, claim, FINGERPRINT)}


def energies(entries: tuple[HullEntry, ...]) -> list[tuple[str, float]]:
    return [(entry.reduced_formula, entry.lowest_energy) for entry in entries]


def test_a_job_changes_its_own_hull_and_those_of_larger_systems(store: Store) -> None:
    run_job(store, one("Li2"), [-1.0])
    run_job(store, one("Li4"), [-1.5])
    run_job(store, one("P"), [-1.0])
    run_job(store, one("LiPS"), [-2.0])
    run_job(store, one("LiP"), [-2.5])
    run_job(store, one("LiPO"), [-2.0])
    run_job(store, one("LiSO", periodic=(False, False, False)), [-7.0])
    run_job(store, one("LiS", model="other"), [-8.0])
    run_job(store, one("LiS"), [-9.0], converged=False)

    _, systems = systems_of(store, lis2(2), [-3.0, -4.0])
    assert set(systems) == {"Li-S", "Li-P-S"}
    assert energies(systems["Li-S"].members) == [("LiS2", -4.0)]
    assert energies(systems["Li-S"].subsystems) == [("Li", -1.5)]
    assert energies(systems["Li-P-S"].members) == [("LiPS", -2.0)]
    assert energies(systems["Li-P-S"].subsystems) == [("Li", -1.5), ("LiP", -2.5), ("LiS2", -4.0), ("P", -1.0)]


def test_models_of_one_name_share_a_hull_only_with_the_same_weights(store: Store) -> None:
    run_job(store, one("LiS"), [-5.0], model_fingerprint="other")
    run_job(store, one("Li"), [-1.0], model_fingerprint="other")
    _, systems = systems_of(store, lis2(1), [-3.0])
    assert energies(systems["Li-S"].members) == [("LiS2", -3.0)]
    assert systems["Li-S"].subsystems == ()


def test_hulls_are_of_the_energy_that_ranks(store: Store) -> None:
    run_job(store, one("Li2"), [-1.0], formation_energy_per_atom=0.0)
    run_job(store, one("Li4"), [-2.0], formation_energy_per_atom=0.1)
    run_job(store, one("LiS"), [-9.0], formation_energy_per_atom=-0.7)
    _, systems = systems_of(store, lis2(1), [-3.0])
    assert ("LiS", -0.7) in energies(systems["Li-S"].members)
    assert energies(systems["Li-S"].subsystems) == [("Li", 0.0)]


def test_jobs_without_crystals_change_no_hull(store: Store) -> None:
    _, systems = systems_of(store, lis2(1, periodic=(False, False, False)), [-1.0])
    assert systems == {}


def test_of_two_analyses_that_overlap_the_later_knowledge_stays(store: Store) -> None:
    """A distance can only grow: what knew of more structures wins, whichever is recorded last."""
    job_id = run_job(store, lis2(1), [-1.0])
    structure_id = f"{job_id}-00000"
    for hull, kept in ((-3.0, 2.0), (-1.5, 2.0), (-3.5, 2.5)):
        with store.transaction() as tx:
            tx.hulls.raise_distances({"LiS2": hull}, "mp20-plus", FINGERPRINT, "another job")
        with store.reading() as tx:
            assert tx.structure_views.get(structure_id).energy_above_hull == pytest.approx(kept)


def test_the_analysis_sees_the_whole_job_lowest_first(store: Store) -> None:
    job_id, _ = systems_of(store, lis2(3), [-1.0, -3.0, -2.0])
    analysis = f"{job_id}-c00001"
    with store.transaction() as tx:
        tx.connection.exec_driver_sql(
            "UPDATE chunks SET lease_expires_at = due_at, state = 'queued' WHERE kind = 'analyse'"
        )
    claim = claim_chunk(store, analysis, "w", 60)
    assert claim is not None
    found = load_job_structures(store, claim)
    assert [(s.id[-1], s.pseudo_energy_per_atom, s.formula) for s in found] == [
        ("1", -3.0, "LiS2"), ("2", -2.0, "LiS2"), ("0", -1.0, "LiS2"),
    ]  # fmt: skip
    assert record_analysis(store, claim, {s.id: None for s in found}, {}, FINGERPRINT)
