"""Learning to rank: what is searched for, what is learned, and that a run goes on where it stopped."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from ase import Atoms
from ase.build import bulk
from ase.io import write
from torch import Tensor
from typer.testing import CliRunner

from rm_engine.checkpoint import load_model
from rm_engine.evaluation.campaign import run_campaign
from rm_engine.evaluation.journal import Journal
from rm_engine.ranking import RANKING_RECIPES, Candidate, KnownStructure, RankingData, RankingTrainer, load_known
from rm_engine.ranking.candidates import CandidateSearch, CandidateSpec
from rm_engine.ranking.run import split_by_composition
from rm_engine.spec import PotentialConfig, RankingSpec, find_model, read_card
from rm_engine.training.state import load_state, save_state
from rmatch.main import app

SALTS = {"LiF": 4.03, "NaCl": 5.64, "KBr": 6.60, "LiCl": 5.13, "NaF": 4.63, "KCl": 6.29}
SPEC = RankingSpec(
    name="tiny",
    potential=PotentialConfig(
        elements=(3, 9, 11, 17, 19, 35),
        n_embedding=2,
        cutoff=4.5,
        l_max=2,
        nu_max=2,
        readout_hidden=(8,),
        separate_receiver_embedding=True,
    ),
    n_epochs=60,
    batch_size=3,
    learning_rate=1e-2,
    gradient_norm=1.0,
    ema_decay=0.9,
)


def salt(name: str, lattice: str = "rocksalt", strain: float = 0.0) -> Atoms:
    scale = (1 + strain) * (0.8 if lattice == "zincblende" else 1.0)
    return bulk(name, lattice, a=SALTS[name] * scale)


def ranking_data(names: list[str]) -> RankingData:
    """Rock salt is known and found again; compressed zinc blende is a false minimum."""
    known = [KnownStructure(name, salt(name), -1.0 - 0.2 * row) for row, name in enumerate(names)]
    found = [Candidate(name, salt(name, strain=0.01), name) for name in names]
    false = [Candidate(name, salt(name, "zincblende"), None) for name in names]
    return RankingData(known, [*found, *false])


def trainer_of(spec: RankingSpec = SPEC) -> RankingTrainer:
    data = ranking_data(list(SALTS))
    return RankingTrainer(spec, data, data)


def weights_of(trainer: RankingTrainer) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in trainer.average.named_parameters()}


class TestTrainer:
    def test_energies_are_learned_and_false_minima_lie_above(self) -> None:
        trainer = trainer_of()
        before = trainer.validate()
        last = list(trainer.run())[-1]
        assert before[0] is not None
        assert last.validation_mae is not None
        assert last.validation_mae < 0.2 < before[0]
        assert last.validation_lowest == 1.0

    def test_without_the_contrast_false_minima_are_not_told_apart(self) -> None:
        """The term does it, not the formation energies: a false minimum has none."""
        blind = trainer_of(replace(SPEC, contrast_weight=0.0))
        first = blind._loss(blind._training, torch.arange(18))
        full = trainer_of()
        assert float(full._loss(full._training, torch.arange(18)).detach()) > float(first.detach())

    def test_every_parameter_moves(self) -> None:
        trainer = trainer_of(replace(SPEC, n_epochs=3))
        before = {name: value.detach().clone() for name, value in trainer.potential.named_parameters()}
        list(trainer.run())
        assert all(not torch.equal(before[name], value) for name, value in trainer.potential.named_parameters())

    def test_stopped_and_resumed_is_bit_for_bit_the_same(self, tmp_path: Path) -> None:
        spec = replace(SPEC, n_epochs=4)
        whole, stopped, resumed = trainer_of(spec), trainer_of(spec), trainer_of(spec)
        list(whole.run())
        epochs = stopped.run()
        next(epochs)
        next(epochs)
        save_state(stopped, tmp_path / "state.safetensors")
        load_state(resumed, tmp_path / "state.safetensors")
        list(resumed.run())
        assert resumed.records == whole.records
        for name, value in weights_of(whole).items():
            assert torch.equal(value, weights_of(resumed)[name]), name

    def test_structures_without_a_label_are_ranked_but_not_fitted(self) -> None:
        data = ranking_data(["NaCl", "LiF"])
        known = [replace(data.known[0], formation_energy_per_atom=None), data.known[1]]
        trainer = RankingTrainer(replace(SPEC, n_epochs=2), RankingData(known, data.candidates), RankingData([], []))
        records = list(trainer.run())
        assert all(np.isfinite(record.loss) for record in records)
        assert records[-1].validation_mae is records[-1].validation_lowest is None


class TestData:
    def test_no_composition_is_on_both_sides(self) -> None:
        data = ranking_data(list(SALTS))
        doubled = [*data.known, KnownStructure("NaCl, other", salt("NaCl").repeat((1, 1, 2)), -1.0)]
        training, validation = split_by_composition(doubled, data.candidates, replace(SPEC, validation_fraction=0.34))
        sides = [
            {item.atoms.get_chemical_formula(empirical=True) for item in part.known} for part in (training, validation)
        ]
        assert len(sides[1]) == 2
        assert not sides[0] & sides[1]
        assert len(training.known) + len(validation.known) == 7
        for part in (training, validation):
            names = {item.name for item in part.known}
            assert {item.target for item in part.candidates} <= names

    def test_formation_energies_are_read(self, tmp_path: Path) -> None:
        with_label, without = salt("NaCl"), salt("KBr")
        with_label.info.update(material_id="a", formation_energy_per_atom=-2.1)
        without.info.update(material_id="b")
        write(tmp_path / "mp20_train.extxyz", [with_label, without], format="extxyz")
        assert [(item.name, item.formation_energy_per_atom) for item in load_known(tmp_path)] == [
            ("a", -2.1),
            ("b", None),
        ]


class TestCandidates:
    def test_candidates_are_found_kept_and_told_apart(self, tmp_path: Path) -> None:
        known = [(name, salt(name)) for name in SALTS]
        search = CandidateSearch(find_model("mp20"), known, CandidateSpec(n_targets=2, n_samples=4))
        journal = tmp_path / "candidates.jsonl"
        results = run_campaign(search, journal=Journal(journal))
        found = [item for result in results for item in result["candidates"]]
        assert {item["target"] for item in found} == {known[row][0] for row in search.tasks[0]}
        assert any(item["match"] == item["target"] for item in found), "rock salt is found again"
        assert {item["start"] for item in found} >= {"references", "wyckoff"}

        lines = journal.read_text()
        again = run_campaign(search, journal=Journal(journal))
        assert json.dumps(again) == json.dumps(results)
        assert journal.read_text() == lines, "nothing is searched twice"

    def test_more_targets_keep_what_was_found(self) -> None:
        known = [(f"{name} {copy}", salt(name)) for name in SALTS for copy in range(4)]
        few, many = (CandidateSearch(find_model("mp20"), known, CandidateSpec(n_targets=n)) for n in (16, 24))
        assert few.identify(few.tasks[0]) == many.identify(many.tasks[0])


def test_a_model_that_ranks_is_trained_by_one_command(tmp_path: Path) -> None:
    structures = []
    for row, name in enumerate(SALTS):
        atoms = salt(name)
        atoms.info.update(material_id=name, formation_energy_per_atom=-1.0 - 0.1 * row)
        structures.append(atoms)
    write(tmp_path / "mp20_train.extxyz", structures, format="extxyz")
    arguments = ["train", "--recipe", "mp20-plus", "--name", "mine", "--epochs", "1"]
    result = CliRunner().invoke(
        app, [*arguments, "--data", str(tmp_path), "-o", str(tmp_path / "run")], catch_exceptions=False
    )
    assert result.exit_code == 0, result.output
    model = load_model(tmp_path / "run" / "mine.json")
    assert model.card.energy_kind == "formation"
    assert model.card.training["ranking"]["n_candidates"] > 0
    assert model.card.potential == read_card(find_model("mp20")).potential


def test_the_shipped_model_was_made_by_its_recipe() -> None:
    plan, card = RANKING_RECIPES["mp20-plus"], read_card(find_model("mp20-plus"))
    assert card.formation == plan.spec.potential
    assert card.potential == read_card(find_model(plan.base)).potential
    record = card.training["ranking"]
    assert record["candidates"] == json.loads(json.dumps(plan.candidates, default=vars))
    assert set(read_card(find_model("mp20")).reference_energies) == set(card.reference_energies)
