"""What is recorded of a molecule beside its atoms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class MoleculeRecord:
    """What the examination of a molecule found; see :class:`rm_engine.analysis.MoleculeReport`.

    Attributes:
        smiles: canonical SMILES, None where no bonds could be perceived.
        is_connected: whether all atoms are one molecule.
        checks: the PoseBusters checks, by name.
        passes_checks: whether it passes every one of them.
        bonds: (atom, atom, order) of every bond, atoms counted from 0; empty where none could be perceived.
        charges: (atom, formal charge) of every atom that has one.
    """

    smiles: str | None
    is_connected: bool
    checks: Mapping[str, bool]
    passes_checks: bool
    bonds: Sequence[tuple[int, int, int]] = ()
    charges: Sequence[tuple[int, int]] = ()
