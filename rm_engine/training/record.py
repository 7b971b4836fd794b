"""What a model's card says of its training: the data and the learning curves."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, Final

import numpy as np
from ase import Atoms

from rm_engine.training.descent import Record

_MOST_POINTS: Final = 50


def summarize_data(training: Sequence[Atoms], validation: Sequence[Atoms]) -> dict[str, Any]:
    """Number of structures and SHA-256 of what was learned from and validated on, in this order."""
    return {
        part: {"n_structures": len(structures), "sha256": hash_structures(structures)}
        for part, structures in (("training", training), ("validation", validation))
    }


def hash_structures(structures: Sequence[Atoms]) -> str:
    """SHA-256 over the structures in order: numbers, periodicity, cells and positions to 10⁻⁶ Å.

    Rounded, so that the same data hash alike from whatever file and library they were read.
    """
    digest = hashlib.sha256()
    for atoms in structures:
        lengths = np.concatenate([atoms.cell.array, atoms.positions])
        for values in (atoms.numbers, atoms.pbc, np.rint(1e6 * lengths)):
            digest.update(np.ascontiguousarray(values, dtype="<i8").tobytes())
    return digest.hexdigest()


def summarize_curves(records: Sequence[Record]) -> dict[str, list[float | None]]:
    """Scores over the epochs as columns, thinned evenly to at most 50 rows, the first and the last among them."""
    rows = np.unique(np.linspace(0, len(records) - 1, min(len(records), _MOST_POINTS)).round().astype(int))
    kept = [asdict(records[row]) for row in rows.tolist()]
    return {name: [_shorten(row[name]) for row in kept] for name in kept[0]}


def _shorten(value: float | None) -> float | None:
    """Five digits are more than a curve shows."""
    return value if value is None or isinstance(value, int) else float(f"{value:.5g}")
