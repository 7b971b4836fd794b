"""The known structures: searches start from some of them, and results are compared with them."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Final

from rm_engine.files import read_crystals, to_json
from service.domain import GenerationClaim, Reference
from service.store import Store

KNOWN_CRYSTALS: Final = Path(__file__).parent.parent / "data" / "known_crystals.json"
MAX_PROTOTYPES: Final = 5000
"""Known crystals that a job may start from: all of the commonest pattern of MP-20, read in half a second."""
_POINTS: Final = (1, 2, 3, 4)
"""Lattice points of a conventional cell, as which a reference may be stored; starts are made of its primitive cell."""


def add_references(store: Store, references: Iterable[Reference]) -> list[str]:
    """Add known structures and return their ids; one whose atoms are stored already stays as it is."""
    with store.transaction() as tx:
        return tx.references.add(references)


def load_references(store: Store, reduced_formulas: Collection[str], group: str) -> list[Reference]:
    """The known structures of these reduced formulas (:attr:`rm_engine.spec.Formula.reduced`) that a group sees."""
    with store.reading() as tx:
        return tx.references.of_formulas(reduced_formulas, group)


def count_references(store: Store, reduced_formulas: Collection[str], group: str) -> int:
    """Number of known structures of these reduced formulas that a group sees: only ever added, so the same number means
    the same ones.
    """
    with store.reading() as tx:
        return tx.references.count(reduced_formulas, group)


def load_prototypes(store: Store, claim: GenerationClaim) -> list[Reference]:
    """The known crystals into which the elements of a chunk's samples can be put, at most :data:`MAX_PROTOTYPES` of
    each stoichiometry pattern.

    Their primitive cell may have as many atoms as one of the samples of that pattern in the job. They were known when
    the job was submitted, and are the same for every chunk with that pattern: so a sample starts alike in whichever
    chunk and whenever it is run.
    """
    sizes: dict[str, set[int]] = {}
    for part in claim.spec.parts_within(claim.start, claim.stop):
        wanted = {size * points for size in part.sizes for points in _POINTS}
        sizes[part.formula.anonymous] = sizes.get(part.formula.anonymous, set()) | wanted
    with store.reading() as tx:
        return [
            reference
            for pattern, wanted in sizes.items()
            for reference in tx.references.prototypes(pattern, wanted, claim.submitted_at, MAX_PROTOTYPES, claim.group)
        ]


def seed_known_crystals(store: Store) -> list[str]:
    """Add the well-known crystals that come with the package, where they are missing; returns all their names."""
    crystals = read_crystals(KNOWN_CRYSTALS)
    with store.reading() as tx:
        stored = tx.references.titles({crystal.name for crystal in crystals})
    missing = [crystal for crystal in crystals if (crystal.name, crystal.source) not in stored]
    if missing:
        add_references(store, [Reference(name=c.name, atoms=to_json(c.to_atoms()), source=c.source) for c in missing])
    return [crystal.name for crystal in crystals]
