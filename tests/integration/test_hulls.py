"""What the pseudo hulls are made of."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from databases import FINGERPRINT, lis2, record, run_job
from pymatgen.analysis.phase_diagram import PDEntry, PhaseDiagram
from pymatgen.core import Composition

from rm_engine.spec import GenerationSpec
from service.domain import PUBLIC_GROUP, HullEntry, HullSystem
from service.domain.views import StructureQuery
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
from worker.analysis import measure_hulls


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
            tx.hulls.raise_distances({"LiS2": hull}, PUBLIC_GROUP, "mp20-plus", FINGERPRINT, "another job")
        with store.reading() as tx:
            assert tx.structure_views.get(structure_id, PUBLIC_GROUP).energy_above_hull == pytest.approx(kept)


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


def analyse(store: Store, composition: str, energies_per_atom: list[float], references: dict[str, float]) -> int:
    """Run a job as a worker does, hulls and all; how many systems the analysis asked for."""
    n_loaded = 0

    def count(systems: Iterator[HullSystem]) -> Iterator[HullSystem]:
        nonlocal n_loaded
        for system in systems:
            n_loaded += 1
            yield system

    job_id = submit_job(store, one(composition, n=len(energies_per_atom)))
    (chunk_id,) = list_due_chunks(store, job_id=job_id)
    claim = claim_chunk(store, chunk_id, "w", 60)
    assert claim is not None
    assert record_generated(store, claim, [record(k, energy) for k, energy in enumerate(energies_per_atom)])
    (chunk_id,) = list_due_chunks(store, job_id=job_id)
    claim = claim_chunk(store, chunk_id, "w", 60)
    assert claim is not None
    duplicates = {structure.id: None for structure in load_job_structures(store, claim)}
    hull = measure_hulls(count(load_hull_systems(store, claim, FINGERPRINT)), references)
    assert record_analysis(store, claim, duplicates, hull, FINGERPRINT)
    return n_loaded


def test_distances_that_grow_job_by_job_are_those_of_all_at_once(store: Store) -> None:
    """Compositions of up to four elements in any order, and pymatgen's phase diagram of all of them in the end."""
    rng = np.random.default_rng(0)
    references = dict.fromkeys(("Cl", "Li", "P", "S"), -0.1)
    for _ in range(40):
        symbols = rng.choice(tuple(references), size=rng.integers(1, 5), replace=False)
        composition = "".join(f"{symbol}{rng.integers(1, 4)}" for symbol in symbols)
        energy = -0.5 * len(symbols) + rng.normal(scale=0.3)
        analyse(store, composition, [energy, energy + 0.2], references)
    with store.reading() as tx:
        views = tx.structure_views.search(StructureQuery(group=PUBLIC_GROUP, limit=1000)).items
    entries = [PDEntry(Composition(view.formula), view.ranking_energy * view.n_atoms) for view in views]
    diagram = PhaseDiagram([*entries, *(PDEntry(Composition(symbol), energy) for symbol, energy in references.items())])
    assert len(views) == 80
    assert [view.energy_above_hull for view in views] == pytest.approx(
        [diagram.get_e_above_hull(entry) for entry in entries], abs=1e-8
    )


def test_larger_systems_are_looked_at_only_where_the_hull_sank(store: Store) -> None:
    references = dict.fromkeys(("Cl", "Li", "P", "S"), 0.0)
    assert analyse(store, "LiPS4", [-1.0], references) == 1
    assert analyse(store, "Li2S", [-1.0], references) == 2  # lies on the hull
    assert analyse(store, "Li3S", [-0.1], references) == 1
    assert analyse(store, "Li2S", [-0.9, -1.0], references) == 1
    assert analyse(store, "Li2S", [-1.1], references) == 2


def test_a_cancelled_job_that_lowered_the_hull_is_made_good_by_the_next(store: Store) -> None:
    references = {"Li": 0.0, "S": 0.0}
    analyse(store, "Li2S", [-1.0], references)
    systems_of(store, one("Li2S"), [-2.0])  # stored, and never analysed
    analyse(store, "LiS", [-0.1], references)
    with store.reading() as tx:
        views = tx.structure_views.search(StructureQuery(group=PUBLIC_GROUP, limit=10)).items
    assert sorted(view.energy_above_hull for view in views if view.energy_above_hull is not None) == pytest.approx(
        [0.0, 1.0, 1.4]
    )
