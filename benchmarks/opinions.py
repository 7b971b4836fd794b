"""What a second opinion buys: how often the lowest structure is the known one, by the model and by CHGNet."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np

from benchmarks.report import Row
from benchmarks.subjects import load
from benchmarks.timing import use_one_core
from rm_engine.adapters.chgnet import NoOpinionError, ask_chgnet
from rm_engine.analysis import Matcher, find_duplicates
from rm_engine.evaluation.targets import read_targets
from rm_engine.search import GeneratedStructure, generate_samples
from rm_engine.spec import GenerationSpec

_MOST_ATOMS: Final = 8
_N_SAMPLES: Final = 20
_N_ASKED: Final = 5
"""Of the distinct structures of a compound, so many of the lowest are asked about."""


def run(data: Path | None, n_compounds: int = 24) -> Iterator[Row]:
    """Search for known crystals in cells of their size, blind, and let both say which of the lowest five is the lowest.

    Args:
        data: folder of the data sets.
        n_compounds: crystals, drawn from the validation split of MP-20.

    Raises:
        ValueError: no folder was given.
    """
    if data is None:
        raise ValueError("The crystals are in mp20_val.extxyz.gz: give DATA=folder of the data sets.")
    use_one_core()
    model = load("mp20-plus")
    small = [target for target in read_targets(data / "mp20_val.extxyz.gz") if len(target.atoms) <= _MOST_ATOMS]
    outcomes, seconds, kept, n_asked = [], 0.0, 0, 0
    for row in np.random.default_rng(0).permutation(len(small)):
        target = small[row]
        spec = GenerationSpec(
            composition=target.formula, n=_N_SAMPLES, formula_units=(1,), model=model.card.name, optimizer="lbfgs"
        )
        lowest = _distinct(generate_samples(model, spec, range(_N_SAMPLES)).structures)[:_N_ASKED]
        matcher = Matcher([(target.name, target.atoms)])
        is_known = [bool(matcher.find_matches(item.atoms)) for item in lowest]
        if not any(is_known) or all(is_known):
            continue  # there is nothing to tell apart
        began, energies = time.perf_counter(), []
        for item in lowest:
            try:
                opinion = ask_chgnet(item.atoms)
            except NoOpinionError:
                energies.append(np.inf)
                continue
            energies.append(opinion.energy_per_atom)
            kept += bool(Matcher([("", item.atoms)]).find_matches(opinion.atoms))
        seconds, n_asked = seconds + time.perf_counter() - began, n_asked + len(lowest)
        outcomes.append((is_known[0], is_known[int(np.argmin(energies))]))
        if len(outcomes) == n_compounds:
            break
    by_model, by_chgnet = (sum(column) for column in zip(*outcomes, strict=True))
    note = f"of {len(outcomes)} crystals that are among the lowest {_N_ASKED} distinct ones of {_N_SAMPLES} samples"
    yield Row("lowest is the known crystal, mp20-plus", by_model, None, "crystals", at_least=True, note=note)
    note = f"{n_asked} structures asked about in {seconds / n_asked:.1f} s each; {kept} stayed the same structure"
    yield Row("the same, CHGNet", by_chgnet, None, "crystals", at_least=True, note=note)


def _distinct(found: list[GeneratedStructure]) -> list[GeneratedStructure]:
    """The lowest of each kind, lowest first."""
    ordered = sorted(found, key=lambda item: item.ranking_energy)
    originals = find_duplicates(
        [item.atoms for item in ordered],
        [item.pseudo_energy_per_atom for item in ordered],
        [item.ranking_energy for item in ordered],
    )
    return [item for item, original in zip(ordered, originals, strict=True) if original is None]
