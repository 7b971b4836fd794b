"""What the shipped models find. The slow ones repeat the campaigns that the models are judged by."""

from pathlib import Path

import ase.io
import pytest
from ase.build import bulk
from ase.spacegroup import crystal

from rm_engine import generate, load_model
from rm_engine.analysis import Matcher

PEROVSKITE = crystal(
    ("K", "Zn", "F"), [(0.5, 0.5, 0.5), (0, 0, 0), (0.5, 0, 0)], spacegroup=221, cellpar=[4.06, 4.06, 4.06, 90, 90, 90]
)
DIAMOND = bulk("C", "diamond", a=3.276)


def test_fluoride_perovskite_is_found():
    found = generate(load_model("mp20"), "KZnF3", n=30, formula_units=1)
    matcher = Matcher([("perovskite", PEROVSKITE)])
    assert any(matcher.find_matches(item.atoms) for item in found)


def is_cubic_diamond(item):
    return item.space_group.number == 227 and bool(Matcher([("diamond", DIAMOND)]).find_matches(item.atoms))


def test_cubic_diamond_is_lowest_in_a_small_search():
    found = generate(
        load_model("diamond"), "C", n=24, formula_units=(2, 4, 8), volume_per_atom=(3.8, 5.6), on_progress=None
    )
    assert is_cubic_diamond(found[0])


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1])
def test_cubic_diamond_is_lowest_of_200(seed):
    found = generate(
        load_model("diamond"), "C", n=200, seed=seed, formula_units=(2, 4, 6, 8, 12), volume_per_atom=(3.8, 5.6)
    )
    assert len(found) >= 195
    assert is_cubic_diamond(found[0])


@pytest.mark.slow
@pytest.mark.data
def test_at_least_seven_of_fifteen_compounds(data_folder: Path):
    """The 15 compounds of the comparison of DiffCSP and USPEX: 30 samples each, in cells of the known size."""
    model = load_model("mp20")
    found = []
    for reference in ase.io.read(data_folder / "csp15.extxyz", ":"):
        matcher = Matcher([("known", reference)])
        proposed = generate(model, reference.get_chemical_formula(), n=30, formula_units=1)
        hits = [rank for rank, item in enumerate(proposed, start=1) if matcher.find_matches(item.atoms)]
        print(f"{reference.info['csp15_formula']:12s} {len(hits):3d} of {len(proposed)} match, ranks {hits[:5]}")
        if hits:
            found.append(reference.info["csp15_formula"])
    assert len(found) >= 7, found
