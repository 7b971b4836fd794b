"""What aiming at a band gap does to the structures found: as many samples without the target and with it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from benchmarks.report import Row
from benchmarks.subjects import load
from benchmarks.timing import use_one_core
from rm_engine.checkpoint import estimate_band_gaps
from rm_engine.search import GeneratedStructure, generate_samples, relax_starts
from rm_engine.spec import GenerationSpec
from rm_engine.structure import StructureBatch

_COMPOSITIONS: Final = ("ZnS", "Ga2O3", "MoS2", "CdTe", "Cu2O", "TiO2")
_SHIFT: Final = 0.5
"""How far from the median without a target the range begins, eV."""
_WIDTH: Final = 1.0
"""Of the range, eV."""


def run(n_samples: int = 64) -> Iterator[Row]:
    """Aim above and below the gaps that a search finds by itself, from the usual blind starts.

    Args:
        n_samples: structures of each search.
    """
    use_one_core()
    model = load("mp20-plus")
    options: dict[str, Any] = {"n": n_samples, "optimizer": "lbfgs", "model": model.card.name}
    for composition in _COMPOSITIONS:
        spec = GenerationSpec(composition=composition, **options)
        free = generate_samples(model, spec, range(n_samples)).structures
        middle = float(np.median(_gaps(free)))
        ranges = {"above": (middle + _SHIFT, middle + _SHIFT + _WIDTH)}
        if middle > _SHIFT:
            ranges["below"] = (max(0.0, middle - _SHIFT - _WIDTH), middle - _SHIFT)
        for side, (low, high) in ranges.items():
            aimed_spec = GenerationSpec(composition=composition, target={"band_gap": (low, high)}, **options)
            aimed = generate_samples(model, aimed_spec, range(n_samples)).structures
            again = relax_starts(model, spec, [item.atoms for item in aimed]).structures
            shares = [_share(gaps, low, high) for gaps in (_gaps(free), _gaps(aimed), _estimate(again))]
            yield _tell(f"{composition}, {low:.2f} to {high:.2f} eV ({side})", free, aimed, shares)


Gaps = NDArray[np.floating[Any]]
Measure = Callable[[Sequence[GeneratedStructure]], Any]


def _tell(
    name: str, free: Sequence[GeneratedStructure], aimed: Sequence[GeneratedStructure], shares: Sequence[float]
) -> Row:
    """``shares`` within the range: without the target, with it, and after another relaxation without it."""
    note = f"{shares[0]:.0%} without the target, {shares[2]:.0%} when relaxed once more without it; "
    measures: tuple[tuple[str, Measure, int], ...] = (
        ("mean gap", lambda found: _gaps(found).mean(), 2),
        ("median energy/atom", lambda found: np.median([item.ranking_energy for item in found]), 3),
        ("steps", lambda found: np.mean([item.n_steps for item in found]), 0),
        ("share converged", lambda found: np.mean([item.converged for item in found]), 2),
    )
    for what, measure, digits in measures:
        note += f"{what} {measure(free):.{digits}f} and {measure(aimed):.{digits}f}; "
    return Row(name, 100 * shares[1], None, "% within the range", at_least=True, note=note.rstrip("; "))


def _gaps(found: Sequence[GeneratedStructure]) -> Gaps:
    return np.array([item.band_gap for item in found], dtype=np.float64)


def _estimate(batch: StructureBatch) -> Gaps:
    gaps = estimate_band_gaps(batch)
    return np.full(batch.n_structures, np.nan) if gaps is None else gaps.numpy()


def _share(gaps: Gaps, low: float, high: float) -> float:
    return float(np.mean((gaps >= low) & (gaps <= high)))
