"""Force calls for a find: five of the test compounds, searched with every optimiser and strategy, each as long."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any, Final

from benchmarks.report import Row
from benchmarks.subjects import load
from benchmarks.timing import use_one_core
from rm_engine.analysis import Matcher
from rm_engine.checkpoint import Model
from rm_engine.evaluation.targets import Target, read_targets
from rm_engine.search import GeneratedStructure, generate_samples
from rm_engine.spec import GenerationSpec, StartMix

_COMPOUNDS: Final = {"KZnF3": 2, "Co4B2": 2, "Sn4Pd4": 1, "Ba2Cd6": 1, "Hg2S2O8": 1}
"""Formula units, of the formula as written, in the cell: 8 to 12 atoms."""
_LBFGS: Final[dict[str, Any]] = {"optimizer": "lbfgs"}
_SEARCHES: Final[dict[str, dict[str, Any]]] = {
    "FIRE": {},
    "L-BFGS": _LBFGS,
    "10 hops": {**_LBFGS, "hops": 10},
    "10 generations": {**_LBFGS, "generations": 10},
    "annealing in 300 steps": {**_LBFGS, "annealing": 300},
}
_TOGETHER: Final = 64
"""Samples of a chunk."""
_SAME_ENERGY: Final = 1e-3
"""Pseudo energy per atom above the lowest that any search came to, up to which a structure is that one."""


def run(data: Path | None, n_samples: int = 640) -> Iterator[Row]:
    """Look for each compound from random starts, the contents of its cell given: for the known crystal, and for the
    lowest minimum of the surface, which may be another.

    Args:
        data: folder of the data sets.
        n_samples: that FIRE relaxes; others get as many force calls, whatever samples that makes.

    Raises:
        ValueError: no folder was given.
    """
    if data is None:
        raise ValueError("The compounds are in csp15.extxyz: give DATA=folder of the data sets.")
    use_one_core()
    model = load("mp20")
    targets = {target.label: target for target in read_targets(data / "csp15.extxyz")}
    for compound, units in _COMPOUNDS.items():
        found: dict[str, list[GeneratedStructure]] = {}
        for search, options in _SEARCHES.items():
            n_calls = sum(one.n_steps for one in found.get("FIRE", ()))
            found[search] = list(_look_for(targets[compound], units, model, options, n_samples, n_calls))
        lowest = min(one.pseudo_energy_per_atom for ends in found.values() for one in ends)
        for search, ends in found.items():
            yield _tell(targets[compound], search, ends, lowest)


def _look_for(
    target: Target, units: int, model: Model, options: dict[str, Any], n_samples: int, budget: int
) -> Iterator[GeneratedStructure]:
    """Structures, a chunk after the other, until the force calls are used up; of so many samples where there is no
    budget.
    """
    spec = GenerationSpec(
        composition=target.formula,
        formula_units=(units,),
        starts=StartMix(random=1),
        model=model.card.name,
        **options,
    )
    n_calls = 0
    for start in count(0, _TOGETHER):
        if (n_calls >= budget) if budget else (start >= n_samples):
            return
        for one in generate_samples(model, spec, range(start, start + _TOGETHER)).structures:
            n_calls += one.n_steps
            yield one


def _tell(target: Target, search: str, ends: list[GeneratedStructure], lowest: float) -> Row:
    matcher = Matcher([(target.name, target.atoms)])
    n_known = sum(bool(matcher.find_matches(one.atoms)) for one in ends)
    n_lowest = sum(one.pseudo_energy_per_atom < lowest + _SAME_ENERGY for one in ends)
    n_calls = sum(one.n_steps for one in ends)
    note = f"known crystal {n_known} times, lowest minimum {n_lowest} times among {len(ends)} samples, "
    note += f"{n_calls:,} force calls; for the lowest {_calls_a_find(n_calls, n_lowest):,.0f} each"
    name = f"{target.label}, {search}"
    return Row(name, _calls_a_find(n_calls, n_known), None, "force calls a find", at_least=False, note=note)


def _calls_a_find(n_calls: int, n_finds: int) -> float:
    return n_calls / n_finds if n_finds else math.inf
