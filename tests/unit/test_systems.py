"""Chemical systems: which formulas stand for them, and which samples each of these gets."""

from __future__ import annotations

import subprocess
import sys
from itertools import pairwise
from math import gcd

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from processes import clean_environment

from rm_engine.errors import InputError
from rm_engine.search import Starts
from rm_engine.spec import (
    ChemicalSystem,
    GenerationSpec,
    default_n,
    find_model,
    parse_composition,
    parse_formula,
    read_card,
)
from rm_engine.spec.charges import OXIDATION_STATES, is_balanced
from rm_engine.spec.generation import MOLECULE
from rm_engine.spec.limits import DEFAULT_MAX_ATOMS, MAX_SEED
from rm_engine.spec.parts import share_samples
from rm_engine.spec.stoichiometry import MAX_FORMULAS, rank_formulas
from rm_engine.units import ATOMIC_NUMBERS

SYSTEMS = st.lists(st.sampled_from(sorted(ATOMIC_NUMBERS)), min_size=2, max_size=4, unique=True).map("-".join)
CUBE = ((5.0, 0.0, 0.0), (0.0, 5.0, 0.0), (0.0, 0.0, 5.0))


class TestFormulas:
    @settings(max_examples=30, deadline=None)
    @given(SYSTEMS)
    def test_every_formula_has_all_elements_and_fits_the_cells(self, text: str) -> None:
        system = parse_composition(text)
        assert isinstance(system, ChemicalSystem)
        ranked = rank_formulas(system)
        assert 1 <= len(ranked) <= MAX_FORMULAS
        assert len({formula.reduced for formula, _ in ranked}) == len(ranked)
        for formula, _ in ranked:
            assert formula.elements == system.elements
            assert formula.n_atoms <= DEFAULT_MAX_ATOMS
            assert gcd(*(count for _, count in formula.counts)) == 1
        weights = [weight for _, weight in ranked]
        assert weights == sorted(weights, reverse=True)
        assert sum(weights) == pytest.approx(1)

    @pytest.mark.parametrize(
        ("text", "formula"),
        [
            ("Li-S", "Li2S"),
            ("Na-Cl", "NaCl"),
            ("Ti-O", "TiO2"),
            ("Al-O", "Al2O3"),
            ("Al-Ni", "AlNi3"),
            ("Ca-F", "CaF2"),
        ],
    )
    def test_the_likeliest_is_the_one_in_the_textbook(self, text: str, formula: str) -> None:
        assert GenerationSpec(composition=text, n=1).parts[0].formula.reduced == parse_formula(formula).reduced

    def test_well_known_compounds_are_among_the_likely_ones(self) -> None:
        for text, formulas in {
            "Li-P-S": ("Li3PS4", "Li7PS6"),
            "Ca-Ti-O": ("CaTiO3",),
            "Li-Fe-P-O": ("LiFePO4",),
        }.items():
            parts = GenerationSpec(composition=text, n=200).parts
            searched = {part.formula.reduced: part.n for part in parts}
            assert all(searched[parse_formula(formula).reduced] >= 10 for formula in formulas)

    def test_the_same_in_every_process_and_without_torch(self) -> None:
        code = (
            "import sys; from rm_engine.spec import GenerationSpec as G;"
            "print([(p.formula.reduced, p.n) for c in ('Li-P-S', 'S-P-Li') for p in G(composition=c, n=300).parts],"
            "sorted({'torch', 'numpy', 'ase'} & sys.modules.keys()))"
        )
        shown = {
            subprocess.run(
                [sys.executable, "-c", code],
                capture_output=True,
                text=True,
                env=clean_environment() | {"PYTHONHASHSEED": seed},
                check=True,
            ).stdout
            for seed in ("1", "2")
        }
        parts = [(part.formula.reduced, part.n) for part in GenerationSpec(composition="Li-P-S", n=300).parts]
        assert shown == {f"{parts + parts} []\n"}

    @pytest.mark.parametrize(
        ("text", "formulas"),
        [
            ("Li{1-2}S{1-2}", ["LiS", "LiS2", "Li2S"]),
            ("S{2-3}Li2", ["LiS", "Li2S3"]),
            ("Li{1-2}PS{3-4}", ["LiPS3", "LiPS4", "Li2PS3", "Li2PS4"]),
        ],
    )
    def test_ranges_of_counts_are_all_formulas_within(self, text: str, formulas: list[str]) -> None:
        spec = GenerationSpec(composition=text, n=3 * len(formulas))
        assert [(part.formula.reduced, part.n) for part in spec.parts] == [(formula, 3) for formula in formulas]
        assert GenerationSpec.from_json(spec.to_json()) == spec

    def test_charges_balance(self) -> None:
        balanced = ("NaCl", "Li2S", "TiO2", "Ti2O3", "Fe3O4", "Li3PS4", "LiFePO4", "H2O", "NH3", "CO2", "Bi4Ti3O12")
        assert [f for f in balanced if not is_balanced(parse_formula(f))] == ["Fe3O4"]  # two kinds of iron
        assert not any(is_balanced(parse_formula(f)) for f in ("NaCl3", "LiS2", "AlNi3", "Li4S", "XeF2", "Ar"))
        assert set(OXIDATION_STATES) <= set(ATOMIC_NUMBERS)


class TestShares:
    @settings(deadline=None)
    @given(st.lists(st.floats(1e-9, 1.0), min_size=1, max_size=60), st.integers(1, 400))
    def test_they_add_up_and_more_samples_take_none_away(self, weights: list[float], n: int) -> None:
        shares, more = share_samples(weights, n), share_samples(weights, n + 1)
        assert sum(shares) == n
        assert sorted(b - a for a, b in zip(shares, more, strict=True)) == [0] * (len(weights) - 1) + [1]
        ranked = sorted(zip(weights, shares, strict=True), reverse=True)
        assert all(b <= a + 1 for (_, a), (_, b) in pairwise(ranked))

    def test_few_samples_go_to_the_likeliest(self) -> None:
        assert share_samples([0.1, 0.6, 0.3], 1) == [0, 1, 0]
        assert share_samples([0.9, 0.001], 10) == [10, 0]

    def test_no_other_shares_find_more(self) -> None:
        weights = (0.5, 0.3, 0.2)

        def expected(shares: tuple[int, ...]) -> float:
            return sum(weight * k / (k + 4) for weight, k in zip(weights, shares, strict=True))

        best = max(((a, b, 12 - a - b) for a in range(13) for b in range(13 - a)), key=expected)
        assert expected(tuple(share_samples(weights, 12))) == pytest.approx(expected(best))


class TestSamples:
    @settings(max_examples=30, deadline=None)
    @given(SYSTEMS | st.sampled_from(["LiS2", "Li4S8", "KZnF3"]), st.integers(1, 300))
    def test_parts_follow_one_another(self, text: str, n: int) -> None:
        spec = GenerationSpec(composition=text, n=n, max_steps=7)
        formulas = [spec.formula_of(sample) for sample in range(n)]
        assert [(sample, part.formula) for part in spec.parts for sample in range(part.start, part.start + part.n)] == [
            (sample, spec.part_of(sample).formula) for sample in range(n)
        ]
        assert spec.atom_steps == 7 * sum(formula.n_atoms for formula in formulas)
        assert max(formula.n_atoms for formula in formulas) <= DEFAULT_MAX_ATOMS
        for sample in {0, n // 3, n - 1}:
            before = spec.parts_within(sample, sample + 1)[0].start
            assert spec.turn_of(sample) == formulas[before:sample].count(formulas[sample])

    def test_a_run_of_samples_has_the_parts_that_it_touches(self) -> None:
        spec = GenerationSpec(composition="Li-S", n=60)
        ends = [part.start + part.n for part in spec.parts]
        assert ends[-1] == 60
        assert spec.parts_within(0, ends[0]) == [spec.parts[0]]
        assert spec.parts_within(ends[0] - 1, ends[0] + 1) == list(spec.parts[:2])
        assert spec.parts_within(0, 60) == list(spec.parts)

    def test_each_starts_as_its_formula_alone_would(self) -> None:
        """Kinds of start and prototypes take turns within a formula, whichever formulas came before."""
        card = read_card(find_model("mp20"))
        system = GenerationSpec(composition="Li-S", n=40, model="mp20")
        starts = Starts(system, card)
        for part in system.parts[:3]:
            alone = GenerationSpec(composition=str(part.formula), n=part.n, model="mp20")
            own = Starts(alone, card)
            for k in range(part.n):
                found, expected = starts.draw(part.start + k), own.draw(k)
                assert (found.kind, found.origin) == (expected.kind, expected.origin)
                assert sorted(found.atoms.numbers) == sorted(expected.atoms.numbers)

    def test_its_default_number_is_larger(self) -> None:
        assert default_n("Li-S") > default_n("LiS2") == GenerationSpec(composition="LiS2").n

    @settings(max_examples=30, deadline=None)
    @given(SYSTEMS, st.integers(0, MAX_SEED))
    def test_json_there_and_back(self, text: str, seed: int) -> None:
        spec = GenerationSpec(composition=text, n=50, seed=seed)
        assert GenerationSpec.from_json(spec.to_json()).parts == spec.parts
        assert spec.chemsys == "-".join(sorted(text.split("-")))


@pytest.mark.parametrize(
    ("fields", "code", "field"),
    [
        ({"periodic": MOLECULE}, "conflicting_fields", "composition"),
        ({"periodic": (True, True, False), "cell": CUBE}, "conflicting_fields", "composition"),
        ({"cell": CUBE}, "conflicting_fields", "cell"),
        ({"formula_units": (2,)}, "conflicting_fields", "formula_units"),
        ({"formula_units": ()}, "conflicting_fields", "formula_units"),
        ({"composition": "Li-Na-K-Rb-Cs"}, "too_many_elements", "composition"),
        ({"composition": "Li-Li"}, "unparsable_system", "composition"),
        ({"composition": "Li-S2"}, "unparsable_system", "composition"),
        ({"composition": "Li-Xx"}, "unknown_element", "composition"),
        ({"composition": "Xx{1-2}S"}, "unknown_element", "composition"),
        ({"composition": "Li{1-4}"}, "unparsable_system", "composition"),
        ({"composition": "Li{1-4}Li"}, "unparsable_system", "composition"),
        ({"composition": "Li{1-4}S{"}, "unparsable_system", "composition"),
        ({"composition": "Li{4-1}S"}, "out_of_range", "composition"),
        ({"composition": "Li{0-2}S"}, "out_of_range", "composition"),
        ({"composition": "Li{1-20}S{1-20}"}, "too_many_formulas", "composition"),
        ({"composition": "Li{19-20}S{19-20}"}, "too_many_formulas", "composition"),
        ({"composition": "Li{1-20}P{1-20}S{1-20}"}, "too_many_formulas", "composition"),
    ],
)
def test_what_a_system_cannot_have_is_refused_by_name(fields: dict[str, object], code: str, field: str) -> None:
    with pytest.raises(InputError) as caught:
        GenerationSpec(**{"composition": "Li-S", **fields})
    assert (caught.value.code, caught.value.field) == (code, field)
    assert caught.value.hint


def test_a_separation_must_be_possible_for_every_formula() -> None:
    card = read_card(find_model("mp20"))
    GenerationSpec(composition="Li-S", n=200, min_distance=1.5).check_against(card)
    with pytest.raises(InputError) as caught:
        GenerationSpec(composition="Li-S", n=200, min_distance=4.0).check_against(card)
    assert caught.value.code == "impossible_separation"
