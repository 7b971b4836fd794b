"""The known structures, with which results are compared."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from importlib.resources import files

from service.domain import Reference
from service.store import Store


def add_references(store: Store, references: Iterable[Reference]) -> list[str]:
    """Add known structures and return their ids; one whose atoms are stored already stays as it is."""
    with store.transaction() as tx:
        return tx.references.add(references)


def load_references(store: Store, reduced_formulas: Collection[str]) -> list[Reference]:
    """The known structures of these reduced formulas (:attr:`rm_engine.spec.Formula.reduced`)."""
    with store.reading() as tx:
        return tx.references.of_formulas(reduced_formulas)


def seed_known_crystals(store: Store) -> list[str]:
    """Add the well-known crystals that come with the package."""
    text = files("service").joinpath("data/known_crystals.json").read_text(encoding="utf-8")
    return add_references(store, [Reference(**item) for item in json.loads(text)])
