"""What PostgreSQL does for a filter: common ones read ranges of an index, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest
from databases import explaining
from servers import PostgresServer

from benchmarks.population import draw_campaigns, fill
from service.domain import PUBLIC_GROUP
from service.domain.views import StructureOrder, StructureQuery
from service.optimade.filters import FilterReader
from service.store import Store

BY_COMPOSITION = {
    'chemical_formula_reduced="ClLiPS"': "ix_structures_reduced_formula",
    'chemical_formula_reduced="ClLiPS" AND _rmatch_converged': "ix_structures_reduced_formula",
    'elements HAS ALL "Li","S"': "ix_structures_chemsys",
    'elements HAS ALL "Cl","Li","P","S" AND nelements=4': "ix_structures_chemsys",
    'elements HAS ALL "Li","S" AND elements HAS ONLY "Li","S","P" AND _rmatch_matched': "ix_structures_chemsys",
    'chemical_formula_anonymous="A7B5C3D2"': "ix_structures_reduced_formula",
    'elements HAS "Li" AND chemical_formula_anonymous="A3BC" AND nsites<9': "ix_structures_reduced_formula",
}
BY_ORDER = ["", "nelements=2", 'elements HAS "O"', "_rmatch_converged", 'nelements=3 AND _rmatch_model="mp20-plus"']


@pytest.fixture(scope="module")
def filled(postgres_server: PostgresServer) -> Iterator[Store]:
    """Twenty thousand structures, two thousand of them in one chemical system."""
    with postgres_server.new_database() as url:
        fill(url, draw_campaigns(20_000, 2_000))
        with closing(Store(url)) as store:
            yield store


def explain(store: Store, text: str) -> list[str]:
    """Plans of the queries for a page, and for the one after."""
    options = {"where": FilterReader().read(text)} if text else {}
    query = StructureQuery(group=PUBLIC_GROUP, order=StructureOrder.CREATED, descending=False, limit=50, **options)
    with store.reading() as tx:
        page = tx.structure_views.search(query)
        with explaining(tx.connection) as plans:
            tx.structure_views.search(query)
            if page.next_key is not None:
                tx.structure_views.search(StructureQuery(**vars(query) | {"after": tuple(page.next_key)}))
    return [plan for plan in plans if " structures" in plan]


@pytest.mark.parametrize("text", BY_COMPOSITION)
def test_a_filter_on_composition_reads_those_compositions(filled: Store, text: str) -> None:
    plans = explain(filled, text)
    assert plans
    for plan in plans:
        assert "Seq Scan on structures" not in plan, plan
        assert BY_COMPOSITION[text] in plan, plan


@pytest.mark.parametrize("text", BY_ORDER)
def test_a_filter_that_many_pass_is_tried_in_the_order_of_ids(filled: Store, text: str) -> None:
    for plan in explain(filled, text):
        assert "Seq Scan on structures" not in plan, plan
        assert "Index" in plan, plan


def test_counting_reads_no_more_rows_than_it_may(filled: Store) -> None:
    query = StructureQuery(group=PUBLIC_GROUP, where=FilterReader().read("nsites=7"))
    with filled.reading() as tx:
        with explaining(tx.connection) as plans:
            assert tx.structure_views.count(query, 500) is None
        assert "Limit" in plans[-1]
        assert tx.structure_views.count(query, 30_000) == len(
            tx.structure_views.search(StructureQuery(**vars(query) | {"limit": 30_000})).items
        )
