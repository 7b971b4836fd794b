"""The known structures, with which results are compared."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Final

from rm_engine.files import read_crystals, to_json
from service.domain import Reference
from service.store import Store

KNOWN_CRYSTALS: Final = Path(__file__).parent.parent / "data" / "known_crystals.json"


def add_references(store: Store, references: Iterable[Reference]) -> list[str]:
    """Add known structures and return their ids; one whose atoms are stored already stays as it is."""
    with store.transaction() as tx:
        return tx.references.add(references)


def load_references(store: Store, reduced_formulas: Collection[str]) -> list[Reference]:
    """The known structures of these reduced formulas (:attr:`rm_engine.spec.Formula.reduced`)."""
    with store.reading() as tx:
        return tx.references.of_formulas(reduced_formulas)


def seed_known_crystals(store: Store) -> list[str]:
    """Add the well-known crystals that come with the package, where they are missing; returns all their names."""
    crystals = read_crystals(KNOWN_CRYSTALS)
    with store.reading() as tx:
        stored = tx.references.titles({crystal.name for crystal in crystals})
    missing = [crystal for crystal in crystals if (crystal.name, crystal.source) not in stored]
    if missing:
        add_references(store, [Reference(name=c.name, atoms=to_json(c.to_atoms()), source=c.source) for c in missing])
    return [crystal.name for crystal in crystals]
