"""The pseudo convex hull against pymatgen's phase diagram, and its properties."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymatgen.analysis.phase_diagram import PDEntry, PhaseDiagram
from pymatgen.core import Composition

from rm_engine.analysis import energies_above_hull, excess_energies
from rm_engine.errors import InputError

ELEMENTS = ("Li", "Na", "S", "O", "Cl", "F", "K", "Br")


def make_entries(n_elements: int, n_structures: int, seed: int):
    """Random compositions, energies with many polymorphs and stable compounds, and reference energies."""
    rng = np.random.default_rng(seed)
    symbols = ELEMENTS[:n_elements]
    counts = rng.integers(0, 5, size=(n_structures, n_elements))
    counts[counts.sum(axis=1) == 0, 0] = 1
    compositions = [{symbol: int(count) for symbol, count in zip(symbols, row, strict=True) if count} for row in counts]
    energies = [-0.6 * np.log(len(composition)) + rng.normal(scale=0.2) for composition in compositions]
    return compositions, energies, dict(zip(symbols, rng.normal(-0.2, 0.05, n_elements), strict=True))


@pytest.mark.parametrize("n_elements", [1, 2, 3, 4])
@pytest.mark.parametrize("seed", range(3))
def test_agrees_with_pymatgen(n_elements: int, seed: int) -> None:
    compositions, energies, references = make_entries(n_elements, 120, seed)
    entries = [PDEntry(Composition(c), e * sum(c.values())) for c, e in zip(compositions, energies, strict=True)]
    diagram = PhaseDiagram([*entries, *(PDEntry(Composition(symbol), energy) for symbol, energy in references.items())])
    assert energies_above_hull(compositions, energies, references) == pytest.approx(
        [diagram.get_e_above_hull(entry) for entry in entries], abs=1e-9
    )
    assert excess_energies(compositions, energies, references) == pytest.approx(
        [diagram.get_form_energy_per_atom(entry) for entry in entries], abs=1e-9
    )


@settings(max_examples=25, deadline=None)
@given(n_elements=st.integers(1, 8), n_structures=st.integers(1, 40), seed=st.integers(0, 10_000))
def test_properties(n_elements: int, n_structures: int, seed: int) -> None:
    compositions, energies, references = make_entries(n_elements, n_structures, seed)
    above = np.array(energies_above_hull(compositions, energies, references))
    excess = np.array(excess_energies(compositions, energies, references))
    assert (above >= 0).all()
    assert (above >= excess - 1e-9).all()  # the hull never lies above the elements

    order = np.random.default_rng(seed).permutation(n_structures)
    shuffled = energies_above_hull([compositions[k] for k in order], [energies[k] for k in order], references)
    assert shuffled == pytest.approx(above[order], abs=1e-9)

    tripled = [{symbol: 3 * count for symbol, count in composition.items()} for composition in compositions]
    assert energies_above_hull(tripled, energies, references) == pytest.approx(above, abs=1e-9)

    is_on_hull = above == 0
    if is_on_hull.any():  # what lies above the hull does not shape it
        stable = np.flatnonzero(is_on_hull)
        assert energies_above_hull([compositions[k] for k in stable], [energies[k] for k in stable], references) == [
            0.0
        ] * len(stable)


def test_by_hand() -> None:
    compositions = [{"Li": 2, "S": 1}, {"Li": 1, "S": 2}, {"Li": 1, "S": 1}, {"Li": 4, "S": 2}, {"Li": 3}]
    energies = [-1.3, -0.7, -1.0, -1.2, -0.05]
    references = {"Li": -0.1, "S": -0.4}
    assert excess_energies(compositions, energies, references) == pytest.approx([-1.1, -0.4, -0.75, -1.0, 0.05])
    # Li2S and S carry the hull: at x = 1/2 it is 3/4 of -1.1, at x = 2/3 half of it.
    assert energies_above_hull(compositions, energies, references) == pytest.approx([0.0, 0.15, 0.075, 0.1, 0.05])


def test_a_lower_elemental_structure_becomes_the_end_member() -> None:
    compositions = [{"Li": 4}, {"Li": 1, "S": 1}]
    assert excess_energies(compositions, [-0.3, -1.0], {"Li": -0.1, "S": -0.4}) == pytest.approx([0.0, -0.65])


def test_elements_without_reference_energy() -> None:
    assert excess_energies([{"S": 8}, {"Li": 1, "S": 1}], [-0.5, -1.0], {"Li": -0.1}) == pytest.approx([0.0, -0.7])
    with pytest.raises(InputError, match="S") as caught:
        energies_above_hull([{"Li": 1, "S": 1}], [-1.0], {"Li": -0.1})
    assert caught.value.code == "no_reference_energy"


def test_an_element_counted_zero_times_is_not_there() -> None:
    assert energies_above_hull([{"Li": 1, "S": 0}], [-0.1], {"Li": -0.1}) == [0.0]


@pytest.mark.parametrize(
    ("compositions", "energies"),
    [([{"Li": 1}], [float("nan")]), ([{"Li": 1}], []), ([{}], [0.0]), ([{"Li": 0}], [0.0])],
)
def test_unusable_input(compositions, energies) -> None:
    with pytest.raises(InputError):
        energies_above_hull(compositions, energies, {"Li": -0.1})


def test_nothing_in_nothing_out() -> None:
    assert energies_above_hull([], [], {}) == []


def test_ten_thousand_structures() -> None:
    compositions, energies, references = make_entries(3, 10_000, 0)
    above = np.array(energies_above_hull(compositions, energies, references))
    assert 3 <= (above == 0).sum() <= 100
    assert np.isfinite(above).all()
