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

_COMPOUNDS: Final = ("KZnF3", "YMg3", "Co4B2", "Sn4Pd4", "Ba2Cd6")
_SEARCHES: Final[dict[str, dict[str, Any]]] = {
    "FIRE": {},
    "L-BFGS": {"optimizer": "lbfgs"},
}
_TOGETHER: Final = 64
"""Samples of a chunk."""


def run(data: Path | None, n_samples: int = 300) -> Iterator[Row]:
    """Look for each compound from random starts, the contents of its cell given.

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
    for compound in _COMPOUNDS:
        budget = 0
        for search, options in _SEARCHES.items():
            found = list(_look_for(targets[compound], model, options, budget, n_samples))
            budget = budget or sum(one.n_steps for one in found)
            yield _tell(targets[compound], search, found)


def _look_for(
    target: Target, model: Model, options: dict[str, Any], budget: int, n_samples: int
) -> Iterator[GeneratedStructure]:
    """Structures, a chunk after the other, until the force calls are used up; of so many samples where there is no
    budget.
    """
    spec = GenerationSpec(
        composition=target.formula,
        formula_units=(1,),
        starts=StartMix(random=1),
        model=model.card.name,
        **options,
    )
    n_calls = 0
    for start in count(0, _TOGETHER):
        if n_calls >= budget if budget else start >= n_samples:
            return
        for one in generate_samples(model, spec, range(start, start + _TOGETHER)).structures:
            n_calls += one.n_steps
            yield one


def _tell(target: Target, search: str, found: list[GeneratedStructure]) -> Row:
    matcher = Matcher([(target.name, target.atoms)])
    n_hits = sum(bool(matcher.find_matches(one.atoms)) for one in found)
    n_calls = sum(one.n_steps for one in found)
    note = f"found by {n_hits} of {len(found)} samples in {n_calls:,} force calls"
    calls = n_calls / n_hits if n_hits else math.inf
    return Row(f"{target.label}, {search}", calls, None, "force calls a find", at_least=False, note=note)
