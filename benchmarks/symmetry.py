"""How much sooner known crystals are found where starts lie in space groups and relaxations keep them."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from benchmarks.report import Row, show
from benchmarks.subjects import load
from benchmarks.timing import use_one_core
from rm_engine.analysis import Matcher
from rm_engine.checkpoint import Model
from rm_engine.evaluation.targets import Target, read_targets
from rm_engine.search import generate_samples
from rm_engine.spec import GenerationSpec, StartMix

_COMPOUNDS: Final = {"KZnF3": ("cubic", 221), "YMg3": ("tetragonal", 123), "Co4B2": ("tetragonal", 140)}
"""Crystal system and space group of each."""
_KINDS: Final = {"random": StartMix(random=1), "Wyckoff": StartMix(wyckoff=1)}


def run(data: Path | None, n_samples: int = 300) -> Iterator[Row]:
    """Look for three of the test compounds, their cells' contents given, and of their symmetry less or more.

    Args:
        data: folder of the data sets.
        n_samples: of each search.

    Raises:
        ValueError: no folder was given.
    """
    if data is None:
        raise ValueError("The compounds are in csp15.extxyz: give DATA=folder of the data sets.")
    use_one_core()
    model = load("mp20")
    targets = {target.label: target for target in read_targets(data / "csp15.extxyz")}
    for compound, (system, group) in _COMPOUNDS.items():
        for kind, starts in _KINDS.items():
            for known in (None, "auto", system, group):
                options = {"starts": starts, "space_groups": None if known is None else (known,)}
                search = f"{kind} starts" if known is None else f"{kind} starts in {known}"
                yield _look_for(targets[compound], model, search, n_samples, options)


def _look_for(target: Target, model: Model, search: str, n_samples: int, options: dict[str, Any]) -> Row:
    spec = GenerationSpec(composition=target.formula, n=n_samples, formula_units=(1,), model=model.card.name, **options)
    began = time.perf_counter()
    found = generate_samples(model, spec, range(n_samples)).structures
    seconds = time.perf_counter() - began
    matcher = Matcher([(target.name, target.atoms)])
    n_hits = sum(bool(matcher.find_matches(structure.atoms)) for structure in found)
    n_steps = sum(structure.n_steps for structure in found)
    note = f"found by {n_hits} of {len(found)} samples, {show(n_steps / len(found))} force calls each"
    if n_hits:
        note += f"; {show(seconds / n_hits)} s of one core a find"
    calls = n_steps / n_hits if n_hits else math.inf
    return Row(f"{target.label}, {search}", calls, None, "force calls a find", at_least=False, note=note)
