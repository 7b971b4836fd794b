"""The models and structures that benchmarks compute with; no data set is needed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count, islice
from pathlib import Path
from unittest.mock import patch

import numpy as np
from ase import Atoms

from rm_engine import GenerationSpec, load_model
from rm_engine.checkpoint import Model
from rm_engine.errors import SearchError
from rm_engine.kernels import library
from rm_engine.search import Starts
from rm_engine.spec import StartMix

_KNOWN_CRYSTALS = Path(__file__).resolve().parent.parent / "service" / "data" / "known_crystals.json"

SIZES = range(4, 21)
"""Atoms per cell of a mixed draw."""


def load(name: str) -> Model:
    """A shipped model on the CPU."""
    return load_model(name, device="cpu")


@contextmanager
def without_compiler() -> Iterator[None]:
    """Compute as where no kernel can be compiled."""
    with patch.object(library, "compile_kernel", return_value=None):
        yield


def draw_starts(model: Model, composition: str, n: int, formula_units: int) -> list[Atoms]:
    """Atoms anywhere in random cells, of one composition."""
    spec = GenerationSpec(
        composition=composition, n=n, formula_units=(formula_units,), model=model.card.name, starts=StartMix(random=1)
    )
    starts = Starts(spec, model.card)
    return [starts.draw(sample).atoms for sample in range(n)]


def draw_mixed(model: Model, n: int, sizes: range = SIZES) -> list[Atoms]:
    """Starts of the compositions of the textbook crystals, one of each in turn, as jobs of the service draw them."""
    return list(islice(_draw_in_turn(model, sizes), n))


def _draw_in_turn(model: Model, sizes: range) -> Iterator[Atoms]:
    known = dict.fromkeys(entry["formula"] for entry in json.loads(_KNOWN_CRYSTALS.read_text()))
    specs = [GenerationSpec(composition=formula, model=model.card.name) for formula in known]
    elements = set(model.card.elements)
    searches = [Starts(spec, model.card) for spec in specs if set(spec.elements) <= elements]
    for turn in count():
        for row, starts in enumerate(searches):
            try:
                atoms = starts.draw(turn + row).atoms  # the usual numbers of formula units, side by side
            except SearchError:
                continue
            if len(atoms) in sizes:
                yield atoms


def make_crystals_of_32_neighbors(n_structures: int, seed: int = 0) -> list[Atoms]:
    """Crystals of 16 atoms each of which has exactly 32 others within 4 Å.

    A simple cubic lattice has 6 + 12 + 8 + 6 = 32 neighbours within 2 a, and the next 24 at 2.236 a. With a = 1.89 Å
    that leaves 0.2 Å on both sides of 4 Å: every cell is strained by up to 1 %, every atom displaced by up to 0.05 Å.
    Lithium and fluorine take turns, as in rock salt.
    """
    rng = np.random.default_rng(seed)
    repeats = (2, 2, 4)
    sites = np.array(list(np.ndindex(repeats)))
    symbols = ["Li" if site.sum() % 2 else "F" for site in sites]
    crystals = []
    for _ in range(n_structures):
        strain = np.eye(3) + 0.01 * rng.uniform(-1, 1, (3, 3))
        positions = 1.89 * sites @ strain + rng.uniform(-1, 1, (len(sites), 3)) * 0.05 / np.sqrt(3)
        crystals.append(Atoms(symbols, positions, cell=1.89 * np.diag(repeats) @ strain, pbc=True))
    return crystals
