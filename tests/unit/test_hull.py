"""The pseudo convex hull against pymatgen's phase diagram, and its properties."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymatgen.analysis.phase_diagram import PDEntry, PhaseDiagram
from pymatgen.core import Composition
from scipy.optimize import linprog

from rm_engine.analysis import energies_above_hull, excess_energies, hull_energies
from rm_engine.analysis.mixtures import find_lower_hull
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


@pytest.mark.parametrize("n_elements", range(1, 9))
@pytest.mark.parametrize("decimals", [0, 1, 8])
def test_agrees_with_one_linear_programme_for_each_composition(n_elements: int, decimals: int) -> None:
    """Few decimals make energies that tie, and whole faces of the hull flat: where pivots could go in circles."""
    rng = np.random.default_rng(n_elements)
    counts = rng.integers(0, 4, size=(40, n_elements))
    counts[counts.sum(axis=1) == 0, 0] = 1
    points = np.unique((counts / counts.sum(axis=1, keepdims=True)).round(12), axis=0)
    energies = rng.normal(size=len(points)).round(decimals)
    vertices = np.vstack([np.eye(n_elements), points])
    costs = np.concatenate([np.zeros(n_elements), energies])
    expected = [linprog(costs, A_eq=vertices.T, b_eq=point, method="highs-ds").fun for point in points]
    assert find_lower_hull(points, energies) == pytest.approx(expected, abs=1e-9)


def test_hull_energies_are_of_the_hull_at_each_composition() -> None:
    compositions, energies, references = make_entries(4, 200, 0)
    hull = np.array(hull_energies(compositions, energies, references))
    above = np.array(energies_above_hull(compositions, energies, references))
    assert np.array(energies) - hull == pytest.approx(above, abs=1e-9)
    assert hull_energies([{"Li": 2}, {"Li": 1}], [-0.3, -0.2], {"Li": -0.1}) == pytest.approx([-0.3, -0.3])


@pytest.mark.parametrize("n_elements", [3, 6])
def test_ten_thousand_structures(n_elements: int) -> None:
    compositions, energies, references = make_entries(n_elements, 10_000, 0)
    above = np.array(energies_above_hull(compositions, energies, references))
    assert 3 <= (above == 0).sum() <= 1000
    assert np.isfinite(above).all()
