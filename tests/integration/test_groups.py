"""What belongs to a group is the group's alone: lists, hulls, references; what is public is everyone's."""

from __future__ import annotations

import pytest
from databases import CUBE, claim_next, lis2, record

from service.domain import PUBLIC_GROUP, NotFoundError, Principal, Reference, Scope
from service.domain.views import StructureQuery
from service.jobs import (
    add_references,
    cancel_job,
    claim_chunk,
    count_references,
    list_due_chunks,
    load_hull_systems,
    load_job_structures,
    load_prototypes,
    load_references,
    record_analysis,
    record_generated,
    submit_job,
)
from service.store import Store

FINGERPRINT = "0123456789ab"
A, B = (Principal(name, name, frozenset(Scope)) for name in ("a", "b"))


def run_job(store: Store, principal: Principal, energy: float) -> str:
    """A job of one structure of that energy, analysed as a worker would."""
    job_id = submit_job(store, lis2(1), principal=principal)
    claim = claim_next(store)
    assert (claim.job_id, claim.group) == (job_id, principal.group)
    assert record_generated(store, claim, [record(0, energy)])
    claim = claim_next(store)
    (structure,) = load_job_structures(store, claim)
    systems = list(load_hull_systems(store, claim, FINGERPRINT))
    hull = {member.reduced_formula: member.lowest_energy for system in systems for member in system.members}
    assert record_analysis(store, claim, {structure.id: None}, hull, FINGERPRINT)
    return job_id


def test_another_group_finds_nothing(store: Store) -> None:
    job_id = run_job(store, A, -1.0)
    with store.reading() as tx:
        assert tx.job_views.get(job_id, "a").id == job_id
        assert [view.id for view in tx.job_views.list_newest("a", None, None, 10).items] == [job_id]
        assert tx.job_views.list_newest("b", None, None, 10).items == []
        assert len(tx.structure_views.search(StructureQuery(group="a", job=job_id)).items) == 1
        assert tx.structure_views.search(StructureQuery(group="b", job=job_id)).items == []
        assert tx.structure_views.search(StructureQuery(group=PUBLIC_GROUP, elements=("Li",))).items == []
        for read in (lambda: tx.job_views.get(job_id, "b"), lambda: tx.structure_views.get(f"{job_id}-00000", "b")):
            with pytest.raises(NotFoundError):
                read()
    with pytest.raises(NotFoundError):
        cancel_job(store, job_id, "b")


def test_each_group_has_a_hull_of_its_own(store: Store) -> None:
    """The distance to another group's structure would tell its energy."""
    high, low = run_job(store, A, -1.0), run_job(store, B, -2.0)
    with store.reading() as tx:
        for job_id, group in ((high, "a"), (low, "b")):
            (found,) = tx.structure_views.search(StructureQuery(group=group, on_hull=True)).items
            assert (found.job_id, found.energy_above_hull) == (job_id, 0.0)


def test_references_are_those_of_the_group_and_of_all(store: Store) -> None:
    swollen = {**CUBE, "cell": [[4.0, 0.0, 0.0], [0.0, 4.0, 0.0], [0.0, 0.0, 4.0]]}
    (public,) = add_references(store, [Reference(name="public", atoms=CUBE)])
    (of_a,) = add_references(store, [Reference(name="of a", atoms=swollen, group="a")])
    (of_b,) = add_references(store, [Reference(name="of b", atoms=swollen, group="b")])
    assert len({public, of_a, of_b}) == 3
    assert add_references(store, [Reference(name="again", atoms=CUBE, group="a")]) == [public]
    assert add_references(store, [Reference(name="again", atoms=swollen, group="a")]) == [of_a]
    for group, expected in (("a", {public, of_a}), ("b", {public, of_b}), (PUBLIC_GROUP, {public})):
        assert {reference.id for reference in load_references(store, ["LiS2"], group)} == expected
        assert count_references(store, {"LiS2"}, group) == len(expected)
        with store.reading() as tx:
            assert {view.id for view in tx.reference_views.search(group, None, None, 10).items} == expected
    job_id = submit_job(store, lis2(1), principal=A)
    claim = claim_chunk(store, list_due_chunks(store, job_id=job_id)[0], "worker", 60.0)
    assert claim is not None
    assert {reference.id for reference in load_prototypes(store, claim)} == {public, of_a}
