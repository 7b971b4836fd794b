"""The formula grammar: what it reads, what it refuses, and that it does so in linear time."""

from __future__ import annotations

import sys
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rm_engine.errors import InputError
from rm_engine.spec import Formula, parse_formula
from rm_engine.spec.limits import MAX_ATOMS, MAX_ELEMENTS, MAX_FORMULA_LENGTH
from rm_engine.units import ATOMIC_NUMBERS, SYMBOLS

compositions = st.lists(
    st.tuples(st.sampled_from(SYMBOLS[1:]), st.integers(1, 12)), min_size=1, max_size=8, unique_by=lambda pair: pair[0]
)


def write(counts: list[tuple[str, int]]) -> str:
    return "".join(f"{symbol}{count if count > 1 else ''}" for symbol, count in counts)


@pytest.mark.parametrize(
    ("text", "counts"),
    [
        ("LiS2", {"Li": 1, "S": 2}),
        ("Si2(CN2)4", {"Si": 2, "C": 4, "N": 8}),
        ("CO", {"C": 1, "O": 1}),
        ("Co", {"Co": 1}),
        ("NaCl", {"Na": 1, "Cl": 1}),
        ("CH3CH2OH", {"C": 2, "H": 6, "O": 1}),
        ("((Mg(OH)2)2Al)3", {"Mg": 6, "O": 12, "H": 12, "Al": 3}),
        ("H200", {"H": 200}),
        ("Og", {"Og": 1}),
        ("(C)", {"C": 1}),
    ],
)
def test_reads(text: str, counts: dict[str, int]) -> None:
    formula = parse_formula(text)
    assert dict(formula.counts) == counts
    assert formula.n_atoms == sum(counts.values())


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "empty_formula"),
        ("Xx2", "unknown_element"),
        ("X", "unknown_element"),
        ("li", "unparsable_formula"),
        ("2Li", "unparsable_formula"),
        ("Li0", "unparsable_formula"),
        ("Li02", "unparsable_formula"),
        ("Li1.5", "unparsable_formula"),
        ("Li-1", "unparsable_formula"),
        ("Li S", "unparsable_formula"),
        ("Li\n", "unparsable_formula"),
        ("Li²", "unparsable_formula"),
        ("Li٢", "unparsable_formula"),  # an Arabic two
        ("Ｌi", "unparsable_formula"),  # a full-width letter
        ("()", "unparsable_formula"),
        ("(Li", "unparsable_formula"),
        ("Li)", "unparsable_formula"),
        ("(Li)0", "unparsable_formula"),
        ("(((((Li)))))", "unparsable_formula"),
        ("Li99999999", "unparsable_formula"),
        ("Li201", "too_many_atoms"),
        ("Li9999", "too_many_atoms"),
        ("((((H9999)9999)9999)9999)9999", "too_many_atoms"),
        ("HHeLiBeBCNOF", "too_many_elements"),
        ("(" * 10_000, "formula_too_long"),
        ("Li" * 101, "formula_too_long"),
    ],
)
def test_refuses(text: str, code: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_formula(text, field="formula")
    error = caught.value
    assert (error.code, error.field) == (code, "formula")
    assert error.reason
    assert error.hint
    assert len(error.value) <= 80
    assert error.value == (text if len(text) <= 80 else f"{text[:77]}...")


@given(compositions)
def test_what_is_written_is_read(counts: list[tuple[str, int]]) -> None:
    formula = parse_formula(write(counts))
    assert formula == Formula(tuple(counts))
    assert str(formula) == write(counts)
    assert Counter(formula.atomic_numbers()) == {ATOMIC_NUMBERS[symbol]: count for symbol, count in counts}


@given(compositions, st.integers(1, 5))
def test_multiples_reduce_to_the_same(counts: list[tuple[str, int]], units: int) -> None:
    formula = Formula(tuple(counts))
    multiple = formula * units
    assert multiple.n_atoms == units * formula.n_atoms
    assert multiple.reduced == formula.reduced
    assert parse_formula(formula.reduced).reduced == formula.reduced
    assert multiple.chemsys == "-".join(sorted(symbol for symbol, _ in counts))


@given(st.text(alphabet="LiSCOH()0123456789 x²", max_size=250))
def test_anything_is_read_within_the_limits_or_refused(text: str) -> None:
    try:
        formula = parse_formula(text)
    except InputError:
        return
    assert 1 <= formula.n_atoms <= MAX_ATOMS
    assert 1 <= len(formula.elements) <= MAX_ELEMENTS
    assert len(text) <= MAX_FORMULA_LENGTH


@pytest.mark.parametrize("text", ["C" * 200, "(H)" * 66, "(((C)2)2)2" * 20, "Li" * 100, "((((" * 50, "H1" * 100])
def test_work_grows_with_the_length_only(text: str) -> None:
    """Counted in calls of Python functions, which no busy machine can distort."""
    n_calls = 0

    def count(*_: object) -> None:
        nonlocal n_calls
        n_calls += 1

    sys.setprofile(count)
    try:
        parse_formula(text)
    except InputError:
        pass
    finally:
        sys.setprofile(None)
    assert 0 < n_calls < 40 * len(text) + 200


@pytest.mark.parametrize(
    ("text", "pattern"), [("KZnF3", "ABC3"), ("F6K2Zn2", "ABC3"), ("Li2S", "AB2"), ("C8", "A"), ("Al2O3", "A2B3")]
)
def test_the_stoichiometry_pattern_forgets_the_elements(text: str, pattern: str) -> None:
    assert parse_formula(text).anonymous == pattern
