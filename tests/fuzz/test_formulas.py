"""The grammar of formulas, against whatever a client may write."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from rm_engine.errors import InputError
from rm_engine.spec import ChemicalSystem, Formula, GenerationSpec, parse_composition, parse_formula
from rm_engine.spec.limits import MAX_ATOMS, MAX_ELEMENTS, MAX_FORMULA_LENGTH
from rm_engine.units import ATOMIC_NUMBERS

MEANT_AS_FORMULAS = st.text(alphabet="LiSCOHFeXx()0123456789", max_size=MAX_FORMULA_LENGTH + 20)
LOOK_ALIKES = st.text(alphabet="ＬｉLіi０0٣3²2₂½⁴−-+. \t\n\r\0\u200b\u202e\ufeffℋСОНОΗ𝐂()（）[]{}·*", max_size=40)
"""Full-width letters, Cyrillic С, О and Н, Greek Η, digits of other scripts, marks that cannot be seen."""
COUNTS = st.integers(1, 6).map(lambda count: str(count) if count > 1 else "")
UNITS = st.tuples(st.sampled_from(("H", "C", "N", "O", "Li", "Si", "Fe", "Og")), COUNTS).map("".join)
WELL_FORMED = st.recursive(
    UNITS,
    lambda parts: (
        st.lists(parts, min_size=1, max_size=3).map("".join) | st.tuples(parts, COUNTS).map("({0[0]}){0[1]}".format)
    ),
    max_leaves=6,
)


@settings(max_examples=1000, deadline=None)
@given(st.text(max_size=300) | MEANT_AS_FORMULAS | LOOK_ALIKES | WELL_FORMED)
@example("\ud800")
@example("Li" + "\n")
def test_any_text_is_refused_in_order_or_means_one_formula(text: str) -> None:
    formula = parse(text)
    if isinstance(formula, InputError):
        assert formula.field == "composition"
        assert len(formula.value) <= 80
        return
    assert parse_formula(str(formula)) == formula
    assert parse_formula(formula.reduced).reduced == formula.reduced
    assert set(formula.elements) <= set(ATOMIC_NUMBERS)
    assert 1 <= len(formula.elements) <= MAX_ELEMENTS
    assert 1 <= formula.n_atoms <= MAX_ATOMS
    assert text.isascii()


@settings(max_examples=300, deadline=None)
@given(WELL_FORMED)
def test_it_means_what_pymatgen_reads(text: str) -> None:
    from pymatgen.core import Composition  # noqa: PLC0415  half a second

    formula = parse(text)
    if isinstance(formula, InputError):
        assert formula.code in {"too_many_atoms", "too_many_elements", "formula_too_long", "unparsable_formula"}
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = Composition(text).get_el_amt_dict()
    assert dict(formula.counts) == expected


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=220) | MEANT_AS_FORMULAS | LOOK_ALIKES)
def test_no_job_has_a_composition_that_the_grammar_refuses(text: str) -> None:
    refusal = parse(text, parse_composition)
    if isinstance(refusal, InputError):
        with pytest.raises(InputError) as caught:
            GenerationSpec(composition=text, n=1)
        assert caught.value.code == refusal.code


@pytest.mark.parametrize(
    "write",
    [
        lambda n: "C" * n,
        lambda n: "Li" * (n // 2),
        lambda n: "H9" * (n // 2),
        lambda n: "(" * n,
        lambda n: "(H)" * (n // 3),
        lambda n: "()" * (n // 2),
        lambda n: "((((H))))" * (n // 9),
        lambda n: "(HHeLiBeBCNO)2" * (n // 14),
        lambda n: "9" * n,
        lambda n: "H" + "9" * n,
        lambda n: "²" * n,
        lambda n: "-" * n,
        lambda n: "Li-" * (n // 3),
        lambda n: "-".join(["H"] * (n // 2)),
    ],
)
def test_four_times_the_text_is_four_times_the_work(
    write: Callable[[int], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Far beyond the longest formula that is allowed, so that no power of the length could hide; in calls counted."""
    monkeypatch.setattr("rm_engine.spec.formula.MAX_FORMULA_LENGTH", 10**6)
    short, long = count_calls(write(2_000)), count_calls(write(8_000))
    assert long <= 4.5 * short + 200


def test_the_longest_text_is_refused_unread() -> None:
    assert count_calls("H" * 10**6) == count_calls("H" * (MAX_FORMULA_LENGTH + 1)) < 20


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet="LiSPOX-2 \u2010\u2212", max_size=12) | LOOK_ALIKES)
def test_a_chemical_system_is_two_to_four_elements_with_hyphens(text: str) -> None:
    parts = text.split("-")
    system = parse(text, parse_composition)
    is_system = 2 <= len(set(parts)) == len(parts) <= 4 and set(parts) <= set(ATOMIC_NUMBERS)
    assert isinstance(system, ChemicalSystem) is is_system
    if isinstance(system, ChemicalSystem):
        assert str(system) == "-".join(sorted(parts))
        assert parse_composition(str(system)) == system


def parse(text: str, parser: Callable[[str, str], Formula | ChemicalSystem] = parse_formula) -> Any:
    """The formula, or why it is none."""
    try:
        return parser(text, "composition")
    except InputError as error:
        return error


def count_calls(text: str) -> int:
    """Calls of functions, C's too, while a text is parsed or refused."""
    n_calls = 0

    def count(_frame: object, event: str, _argument: object) -> None:
        nonlocal n_calls
        n_calls += event in ("call", "c_call")

    sys.setprofile(count)
    try:
        parse(text, parse_composition)
    finally:
        sys.setprofile(None)
    return n_calls
