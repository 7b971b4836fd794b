"""What a generation run may be, and how anything else is refused."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rm_engine.errors import InputError
from rm_engine.spec import GenerationSpec, ModelCard, PotentialConfig
from rm_engine.spec.generation import DEFAULT_MODEL, DEFAULT_MOLECULE_MODEL, DEFAULT_N, MOLECULE
from rm_engine.spec.limits import DEFAULT_MAX_ATOMS, MAX_SEED

CUBE = ((5.0, 0.0, 0.0), (0.0, 5.0, 0.0), (0.0, 0.0, 5.0))
MIXED = (True, True, False)
CARD = ModelCard(
    name="test",
    potential=PotentialConfig(
        elements=(3, 16),
        n_embedding=1,
        cutoff=4.0,
        l_max=2,
        nu_max=2,
        readout_hidden=(2,),
        separate_receiver_embedding=False,
    ),
    volumes={"Li": 14.0, "S": 20.0},
    reference_energies={"Li": -1.0, "S": -1.0},
    training={},
)


def refusal(**fields: Any) -> InputError:
    with pytest.raises(InputError) as caught:
        GenerationSpec(**{"composition": "LiS2", **fields})
    return caught.value


class TestFields:
    @pytest.mark.parametrize(
        ("field", "values"),
        [
            ("n", [0, -1, 10_001, math.nan]),
            ("seed", [-1, MAX_SEED + 1]),
            ("fmax", [0, 1e-6, 1.1, -0.01, math.nan, math.inf]),
            ("max_steps", [0, 10_001]),
            ("min_distance", [0, 0.09, 10.1, math.nan]),
            ("volume_per_atom", [(0.5, 20), (10, 1001), (math.nan, 20), (10, math.inf)]),
            ("formula_units", [(), (0,), (-1,), (10_001,), (1, 0)]),
        ],
    )
    def test_out_of_range(self, field: str, values: list[Any]) -> None:
        for value in values:
            error = refusal(**{field: value})
            assert (error.code, error.field) == ("out_of_range", field), value
            assert error.hint

    @pytest.mark.parametrize(
        ("field", "low", "high"),
        [
            ("n", 1, 10_000),
            ("seed", 0, MAX_SEED),
            ("fmax", 1e-5, 1.0),
            ("max_steps", 1, 10_000),
            ("min_distance", 0.1, 10.0),
        ],
    )
    def test_the_bounds_themselves_are_allowed(self, field: str, low: float, high: float) -> None:
        for value in (low, high):
            assert getattr(GenerationSpec(composition="LiS2", **{field: value}), field) == value

    def test_the_model_is_always_named(self) -> None:
        """A stored run names its model, so that a later default changes nothing about it."""
        crystal, molecule = (GenerationSpec(composition="LiS2", periodic=p) for p in ((True,) * 3, (False,) * 3))
        assert (crystal.model, molecule.model) == (DEFAULT_MODEL, DEFAULT_MOLECULE_MODEL)
        assert molecule.to_json()["model"] == DEFAULT_MOLECULE_MODEL
        assert GenerationSpec(composition="LiS2", model="own", periodic=(False,) * 3).model == "own"

    @pytest.mark.parametrize(
        ("fields", "code", "field"),
        [
            ({"composition": "LiXx"}, "unknown_element", "composition"),
            ({"composition": ""}, "empty_formula", "composition"),
            ({"composition": "Li201"}, "too_many_atoms", "composition"),
            ({"formula_units": (67,)}, "too_many_atoms", "formula_units"),
            ({"volume_per_atom": (20, 10)}, "impossible_volume", "volume_per_atom"),
            ({"volume_per_atom": (10, 20), "cell": CUBE}, "conflicting_fields", "volume_per_atom"),
            ({"periodic": MIXED}, "cell_required", "cell"),
            ({"fixed_cell": True}, "cell_required", "cell"),
            ({"cell": ((5, 0, 0), (0, 5, 0), (0, 0, 0.5))}, "impossible_cell", "cell"),
            ({"cell": ((5, 0, 0), (0, 5, 0), (0, 0, 201))}, "impossible_cell", "cell"),
            ({"cell": ((5, 0, 0), (0, 5, 0), (5, 5, 0))}, "impossible_cell", "cell"),
            ({"cell": ((0, 5, 0), (5, 0, 0), (0, 0, 5))}, "impossible_cell", "cell"),
            ({"cell": ((math.nan, 0, 0), (0, 5, 0), (0, 0, 5))}, "impossible_cell", "cell"),
            ({"cell": ((math.inf, 0, 0), (0, 5, 0), (0, 0, 5))}, "impossible_cell", "cell"),
        ],
    )
    def test_impossible(self, fields: dict[str, Any], code: str, field: str) -> None:
        error = refusal(**fields)
        assert (error.code, error.field) == (code, field)
        assert error.hint


class TestAgainstAModel:
    def refusal(self, **fields: Any) -> InputError:
        spec = GenerationSpec(**{"composition": "LiS2", **fields})
        with pytest.raises(InputError) as caught:
            spec.check_against(CARD)
        return caught.value

    def test_unknown_elements_are_named(self) -> None:
        error = self.refusal(composition="LiFeNi")
        assert (error.code, error.field) == ("element_not_in_model", "composition")
        assert "Fe, Ni" in error.reason

    def test_crystals_of_a_model_of_molecules(self) -> None:
        card = replace(CARD, reference_energies={})
        with pytest.raises(InputError) as caught:
            GenerationSpec(composition="LiS2").check_against(card)
        assert (caught.value.code, caught.value.field) == ("model_of_molecules", "model")
        GenerationSpec(composition="LiS2", periodic=MOLECULE).check_against(card)

    @pytest.mark.parametrize(
        "fields",
        [
            {"min_distance": 3.0, "volume_per_atom": (10, 19)},  # 19.09 are needed
            {"min_distance": 3.0},  # 18 are regressed
            {"min_distance": 4.0, "cell": CUBE},
        ],
    )
    def test_denser_than_any_packing(self, fields: dict[str, Any]) -> None:
        error = self.refusal(**fields)
        assert (error.code, error.field) == ("impossible_separation", "min_distance")

    @pytest.mark.parametrize(
        "fields",
        [
            {"min_distance": 3.0, "volume_per_atom": (10, 19.2)},
            {"min_distance": 2.9},
            {"min_distance": 3.8, "cell": CUBE},
            {"min_distance": 9.0, "periodic": (False, False, False)},
        ],
    )
    def test_what_a_packing_allows(self, fields: dict[str, Any]) -> None:
        GenerationSpec(composition="LiS2", **fields).check_against(CARD)


class TestFormulaUnits:
    def test_defaults_keep_cells_small(self) -> None:
        for composition in ("Li", "LiS2", "KZnF3", "Li4S8"):
            spec = GenerationSpec(composition=composition)
            sizes = [spec.formula_of(sample).n_atoms for sample in range(40)]
            assert max(sizes) <= DEFAULT_MAX_ATOMS
            assert min(sizes) == spec.parts[0].formula.n_atoms
        assert {GenerationSpec(composition="LiS2").formula_of(k).n_atoms for k in range(40)} == {3, 6, 9, 12, 18}

    def test_a_large_formula_comes_once(self) -> None:
        assert GenerationSpec(composition="Li40S40").parts[0].units == (1,)

    def test_the_formula_is_taken_as_written(self) -> None:
        spec = GenerationSpec(composition="Li4S8", formula_units=(1,))
        assert [str(spec.formula_of(sample)) for sample in range(3)] == ["Li4S8"] * 3

    @pytest.mark.parametrize("fields", [{"cell": CUBE}, {"periodic": (False, False, False)}])
    def test_once_where_the_room_is_given(self, fields: dict[str, Any]) -> None:
        assert GenerationSpec(composition="LiS2", **fields).parts[0].units == (1,)


class TestJSON:
    @given(
        n=st.integers(1, 10_000),
        units=st.none() | st.lists(st.integers(1, 60), min_size=1, max_size=5).map(tuple),
        periodic=st.tuples(st.booleans(), st.booleans(), st.booleans()),
        volume=st.none() | st.tuples(st.floats(1, 30), st.floats(30, 1000)),
        distance=st.none() | st.floats(0.1, 10),
        seed=st.integers(0, MAX_SEED),
        match=st.booleans(),
    )
    def test_there_and_back(self, **drawn: Any) -> None:
        periodic, volume = drawn["periodic"], drawn["volume"]
        cell = CUBE if any(periodic) and volume is None else None
        if cell is None and any(periodic):
            periodic = (True, True, True)
        spec = GenerationSpec(
            composition="LiS2",
            n=drawn["n"],
            formula_units=drawn["units"],
            periodic=periodic,
            cell=cell,
            volume_per_atom=volume,
            min_distance=drawn["distance"],
            seed=drawn["seed"],
            match=drawn["match"],
        )
        assert GenerationSpec.from_json(json.loads(json.dumps(spec.to_json()))) == spec

    def test_options_that_are_not_used_are_not_stored(self) -> None:
        """A worker of the version before knows none of the newest options, and need not while nobody asks for them."""
        stored = GenerationSpec(composition="LiS2", match=False).to_json()
        newest = {"density", "fixed_volume", "layer", "pressure", "relax_seed", "seed_structure", "separations"}
        moving = {"space_groups", "swaps", "optimizer", "hops", "generations", "annealing", "target"}
        assert (newest | moving).isdisjoint(stored)
        assert (stored["match"], stored["n"], stored["model"]) == (False, DEFAULT_N, DEFAULT_MODEL)
        assert GenerationSpec(composition="LiS2", swaps=2).to_json()["swaps"] == 2

    def test_an_unknown_field_is_refused(self) -> None:
        with pytest.raises(InputError) as caught:
            GenerationSpec.from_json({"composition": "LiS2", "speed": 3})
        assert (caught.value.code, caught.value.field) == ("unknown_field", "speed")
