"""Records of imports, on both databases."""

from __future__ import annotations

from dataclasses import replace

import pytest
from databases import CUBE

from service.domain import Reference
from service.domain.errors import ImportOvertakenError
from service.domain.imports import ImportRequest
from service.jobs import add_references, advance_import, begin_import, finish_import, list_imports
from service.store import Store


def crystals(*sizes: float, group: str = "public") -> list[Reference]:
    cells = [[[size, 0.0, 0.0], [0.0, 9.0, 0.0], [0.0, 0.0, 9.0]] for size in sizes]
    return [Reference(name=f"x {cell[0][0]}", atoms={**CUBE, "cell": cell}, group=group) for cell in cells]


def test_what_was_broken_off_goes_on_and_what_was_finished_begins_anew(store: Store) -> None:
    request = ImportRequest(source="somewhere", version="1")
    record = advance_import(
        store, begin_import(store, request), crystals(3.0, 4.0, 3.0), cursor="a", n_skipped=1, n_broken=2
    )
    assert (record.n_new, record.n_known, record.n_skipped, record.n_broken, record.n_read) == (2, 1, 1, 2, 6)
    resumed = begin_import(store, request)
    assert replace(resumed, updated_at=record.updated_at) == record
    other = begin_import(store, replace(request, selection="some"))
    assert (other.cursor, other.n_read) == ("", 0)
    finished = finish_import(store, advance_import(store, resumed, crystals(4.0, 5.0), cursor="b"))
    assert (finished.n_new, finished.n_known, finished.cursor) == (3, 2, "b")
    assert [item.is_finished for item in list_imports(store)] == [True, False]
    again = begin_import(store, request)
    assert (again.cursor, again.n_read, again.is_finished) == ("", 0, False)
    assert begin_import(store, replace(request, version="2")).version == "2"


@pytest.mark.parametrize("restart", [False, True])
def test_one_of_two_that_import_the_same_stops(store: Store, restart: bool) -> None:
    request = ImportRequest(source="somewhere")
    first = advance_import(store, begin_import(store, request), crystals(3.0), cursor="a")
    second = begin_import(store, request, restart=restart)
    second = advance_import(store, second, crystals(4.0), cursor="b")
    for end in (lambda: advance_import(store, first, crystals(5.0), cursor="c"), lambda: finish_import(store, first)):
        with pytest.raises(ImportOvertakenError, match="Another process imports 'somewhere' as well"):
            end()
    (record,) = list_imports(store)
    assert record.cursor == "b"
    with store.reading() as tx:
        assert tx.references.count(["LiS2"], "public") == 2, "nothing of the batch that came too late"
    assert finish_import(store, second).is_finished


def test_what_all_see_is_known_to_a_group(store: Store) -> None:
    add_references(store, crystals(3.0))
    record = begin_import(store, ImportRequest(source="somewhere", group="a"))
    assert advance_import(store, record, crystals(3.0, 4.0, group="a"), cursor="a").n_new == 1
    assert begin_import(store, ImportRequest(source="somewhere", group="b")).n_read == 0
