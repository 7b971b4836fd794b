"""What the shipped models find. The slow ones repeat the campaigns that the models are judged by."""

from pathlib import Path

import pytest
from ase.build import bulk
from ase.spacegroup import crystal

from rm_engine import generate, load_model
from rm_engine.analysis import Matcher
from rm_engine.evaluation.campaign import run_campaign
from rm_engine.evaluation.prediction import Configuration, PredictionCampaign
from rm_engine.evaluation.search_records import SearchRecord
from rm_engine.evaluation.stay import relax_known, score_stay
from rm_engine.evaluation.targets import choose_targets, read_targets
from rm_engine.spec import StartMix, find_model

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
    campaign = PredictionCampaign(
        targets=tuple(read_targets(data_folder / "csp15.extxyz")),
        configurations=(Configuration(label="blind", model=find_model("mp20"), starts=StartMix(random=1)),),
        n_samples=30,
        seeds=(0,),
        max_steps=2000,
    )
    records = [SearchRecord.from_json(result) for result in run_campaign(campaign)]
    found = [record.label for record in records if record.hits]
    assert len(records) == 15
    assert len(found) >= 7, found


@pytest.mark.slow
@pytest.mark.data
def test_known_structures_stay_where_they_are(data_folder: Path):
    targets = choose_targets(read_targets(data_folder / "mp20_val.extxyz.gz"), 100, seed=0)
    scores = score_stay(relax_known(load_model("mp20"), targets, max_steps=2000))
    assert scores.stays.value >= 0.94
    assert scores.stays_by_default.value >= 0.84
    assert scores.converged.value >= 0.99
