"""What the databases do for a page: they read a range of an index, whatever is asked for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from databases import explaining
from servers import PostgresServer

from benchmarks.population import FINGERPRINT, HOT_SYSTEM, draw_campaigns, fill
from service.domain import PUBLIC_GROUP
from service.domain.views import StructureKind, StructureOrder, StructureQuery
from service.store import Store

HOT = "-".join(HOT_SYSTEM)
QUERIES = [
    {},
    {"chemsys": HOT},
    {"chemsys": HOT, "on_hull": True},
    {"chemsys": HOT, "matched": True, "unique": True},
    {"reduced_formula": "ClLiPS"},
    {"model": "qm7b"},
    {"model": "diamond"},
    {"model_fingerprint": FINGERPRINT},
    {"job": f"{7:026d}"},
    {"smiles": "CCCO1"},
    {"matched": True},
    {"converged": False},
    {"unique": True},
    {"kind": StructureKind.KNOWN},
    {"kind": StructureKind.NEW},
    {"chemsys": HOT, "kind": StructureKind.DUPLICATE},
    {"passes_checks": True},
    {"passes_checks": False},
    {"on_hull": True},
    {"on_hull": True, "matched": False},
    {"energy_above_hull_max": 0.05},
    {"elements": ("Li",)},
    {"elements": ("Li", "S")},
    {"elements": ("Hf",), "matched": True},
]


@pytest.fixture(scope="module")
def filled(postgres_server: PostgresServer) -> Iterator[Store]:
    """Twenty thousand structures, analysed."""
    with postgres_server.new_database() as url:
        fill(url, draw_campaigns(20_000, 2_000))
        with closing(Store(url)) as store:
            yield store


@pytest.mark.parametrize("order", StructureOrder)
@pytest.mark.parametrize("descending", [False, True])
def test_no_page_reads_the_whole_table(filled: Store, order: StructureOrder, descending: bool) -> None:
    for options in QUERIES:
        query = StructureQuery(group=PUBLIC_GROUP, **options, order=order, descending=descending, limit=100)
        with filled.reading() as tx:
            key = tx.structure_views.search(query).next_key
            with explaining(tx.connection) as plans:
                tx.structure_views.search(query)
                if key is not None:
                    tx.structure_views.search(StructureQuery(**vars(query) | {"after": (key[0], key[1])}))
        assert plans
        assert all("Seq Scan on structures" not in plan for plan in plans), (options, plans)


def test_a_page_of_any_order_is_read_in_order(filled: Store) -> None:
    """Without a sort, from the middle as from the beginning: what has been passed is not read again."""
    for order in StructureOrder:
        query = StructureQuery(group=PUBLIC_GROUP, chemsys=HOT, order=order, limit=100)
        with filled.reading() as tx:
            key = tx.structure_views.search(query).next_key
            assert key is not None
            with explaining(tx.connection) as plans:
                tx.structure_views.search(
                    StructureQuery(group=PUBLIC_GROUP, chemsys=HOT, order=order, after=(key[0], key[1]), limit=100)
                )
        assert "Sort" not in plans[0], plans[0]
        assert "Index Cond" in plans[0], plans[0]
        assert "ROW(" in plans[0] or order is StructureOrder.CREATED, plans[0]


def test_a_page_takes_three_queries_however_long_it_is(filled: Store) -> None:
    for limit in (10, 500):
        with filled.reading() as tx, explaining(tx.connection) as plans:
            tx.structure_views.search(StructureQuery(group=PUBLIC_GROUP, matched=True, limit=limit))
        assert len(plans) == 3


def test_sqlite_reads_a_composition_or_a_system_and_no_whole_model(tmp_path: Path) -> None:
    """It knows nothing of how common a value is."""
    with closing(Store(f"sqlite:///{tmp_path / 'test.sqlite3'}")) as store:
        store.migrate()
        for order in StructureOrder:
            query = StructureQuery(group=PUBLIC_GROUP, chemsys=HOT, model="mp20", matched=True, order=order)
            with store.reading() as tx, explaining(tx.connection) as plans:
                tx.structure_views.search(query)
            assert all("ix_structures_chemsys" in plan and "TEMP B-TREE" not in plan for plan in plans), plans
        with store.transaction() as tx, explaining(tx.connection) as plans:
            tx.hulls.system(PUBLIC_GROUP, HOT, "mp20", FINGERPRINT)
            tx.hulls.raise_distances({"LiS2": -1.0}, PUBLIC_GROUP, "mp20", FINGERPRINT, "job")
        assert "ix_structures_chemsys" in plans[0]
        assert "ix_structures_reduced_formula" in plans[1]
        assert all("SCAN structures" not in plan and "ix_structures_model" not in plan for plan in plans)
