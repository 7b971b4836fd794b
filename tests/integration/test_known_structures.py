"""The known structures of a worker: prepared once, and again where some were added."""

from __future__ import annotations

import numpy as np
from ase.build import bulk

from rm_engine.files import to_json
from service.domain import PUBLIC_GROUP, Reference
from service.jobs import add_references
from service.store import Store
from worker.references import KnownStructures


def test_references_are_prepared_once_until_some_are_added(store: Store) -> None:
    known = KnownStructures(store)
    salt = bulk("NaCl", "rocksalt", a=5.64)
    assert known.find_matcher({"ClNa"}, PUBLIC_GROUP).find_matches(salt) == []
    (first,) = add_references(store, [Reference(name="salt", atoms=to_json(salt))])
    matcher = known.find_matcher({"ClNa"}, PUBLIC_GROUP)
    assert [match.key for match in matcher.find_matches(salt)] == [first]
    assert known.find_matcher({"ClNa"}, PUBLIC_GROUP) is matcher
    swollen = salt.copy()
    swollen.set_cell(salt.cell.array @ np.diag([1.0, 1.0, 1.1]), scale_atoms=True)
    (second,) = add_references(store, [Reference(name="swollen", atoms=to_json(swollen))])
    assert [match.key for match in known.find_matcher({"ClNa"}, PUBLIC_GROUP).find_matches(salt)] == [first, second]
    assert known.find_matcher({"ClCs"}, PUBLIC_GROUP).find_matches(salt) == []


def test_a_stored_reference_has_the_id_under_which_it_was_added(store: Store) -> None:
    salt = Reference(name="salt", atoms=to_json(bulk("NaCl", "rocksalt", a=5.64)), source="a textbook")
    add_references(store, [salt])
    with store.reading() as tx:
        (stored,) = tx.references.of_formulas(["ClNa"], PUBLIC_GROUP)
        assert (stored.id, stored) == (salt.id, salt)
        assert tx.references.count({"ClNa"}, PUBLIC_GROUP) == 1
