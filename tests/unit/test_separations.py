"""Least distances between atoms of two elements."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from ase.build import bulk
from ase.neighborlist import neighbor_list

from rm_engine.checkpoint import Model, load_model
from rm_engine.errors import InputError, SearchError
from rm_engine.search import Starts
from rm_engine.search.separation import CONTACT, asked_distances, least_distances
from rm_engine.spec import GenerationSpec, StartMix

PAIRS = {"Li-S": 2.0, "S-S": 2.8}
RANDOM = StartMix(random=1)


@pytest.fixture(scope="module")
def mp20() -> Model:
    return load_model("mp20", device="cpu")


@pytest.mark.parametrize("mix", [RANDOM, StartMix(references=1), StartMix(wyckoff=1)])
@pytest.mark.parametrize("min_distance", [None, 1.7])
def test_starts_keep_them(mp20: Model, mix: StartMix, min_distance: float | None) -> None:
    spec = GenerationSpec(
        composition="Li2S", n=8, starts=mix, separations=PAIRS, min_distance=min_distance, model="mp20"
    )
    starts = Starts(spec, mp20.card, [("antifluorite", bulk("CaF2", "fluorite", a=5.46))])
    others = []
    for sample in range(8):
        atoms = starts.draw(sample).atoms
        symbols = np.array(atoms.get_chemical_symbols())
        for first, second, distance in zip(*neighbor_list("ijd", atoms, 4.0), strict=True):
            pair = "-".join(sorted((symbols[first], symbols[second])))
            assert distance >= PAIRS.get(pair, min_distance or 1.5)
            others += [] if pair in PAIRS else [distance]
    assert min(others) < 2.8, "nothing is asked of the others"


def test_pairs_come_before_the_distance_for_all_and_that_before_radii() -> None:
    numbers = np.array([3, 16, 16])
    spec = GenerationSpec(composition="LiS2", separations={"S-Li": 2.0}, min_distance=1.5)
    nothing = np.full((3, 3), np.nan)
    np.testing.assert_array_equal(asked_distances(numbers, GenerationSpec(composition="LiS2")), nothing)
    np.testing.assert_array_equal(asked_distances(numbers, spec), [[1.5, 2, 2], [2, 1.5, 1.5], [2, 1.5, 1.5]])
    alone = GenerationSpec(composition="LiS2", separations={"Li-S": 2.0})
    usual = 2 * CONTACT * 1.05
    np.testing.assert_allclose(least_distances(numbers, asked_distances(numbers, alone))[1], [2, usual, usual])


def test_no_room_says_what_to_lower(mp20: Model) -> None:
    spec = GenerationSpec(composition="Li2S", n=1, formula_units=(4,), starts=RANDOM, separations={"S-S": 9.0})
    with pytest.raises(SearchError, match="Lower min_distance and separations"):
        Starts(spec, mp20.card).draw(0)


def test_a_pair_may_be_closer_than_all_others(mp20: Model) -> None:
    options: dict[str, Any] = {"composition": "LiS2", "min_distance": 4.0}
    with pytest.raises(InputError):
        GenerationSpec(**options).check_against(mp20.card)
    GenerationSpec(**options, separations={"S-S": 1.9}).check_against(mp20.card)


@pytest.mark.parametrize(
    ("pairs", "code"),
    [
        ({"LiS": 2.0}, "unknown_element"),
        ({"": 2.0}, "unknown_element"),
        ({"Li-S-S": 2.0}, "unknown_element"),
        ({"Li-Na": 2.0}, "conflicting_fields"),
        ({"Li-S": 10.1}, "out_of_range"),
        ({"Li-S": float("nan")}, "out_of_range"),
    ],
)
def test_what_is_no_pair_is_refused(pairs: dict[str, float], code: str) -> None:
    with pytest.raises(InputError) as refused:
        GenerationSpec(composition="LiS2", separations=pairs)
    assert (refused.value.code, refused.value.field) == (code, "separations")


def test_they_are_stored() -> None:
    spec = GenerationSpec(composition="Li-S", n=20, separations=PAIRS)
    assert GenerationSpec.from_json(spec.to_json()) == spec
