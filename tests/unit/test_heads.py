"""Heads: how they learn a property from labels, and what a search makes of them."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk
from ase.io import write
from typer.testing import CliRunner

from rm_engine import generate
from rm_engine.checkpoint import Model, load_model
from rm_engine.errors import InputError
from rm_engine.search import GeneratedStructure, sampling
from rm_engine.search.aim import find_pulls, is_met
from rm_engine.spec import PROPERTIES, GenerationSpec, HeadSpec, PotentialConfig, PropertyRanges, read_card
from rm_engine.spec.properties import SHIPPED_HEADS
from rm_engine.training import HEAD_RECIPES, load_labelled, train_head
from rm_engine.training.heads import HeadTrainer, Labelled
from rm_engine.training.state import load_state, save_state
from rmatch.main import app

CRYSTALS = [
    *(bulk(name, "rocksalt", a=edge) for name, edge in (("LiF", 4.03), ("NaCl", 5.64), ("KBr", 6.60), ("LiCl", 5.13))),
    *(bulk(name, "bcc", a=edge) for name, edge in (("Li", 3.5), ("Na", 4.2), ("K", 5.3))),
]
GAPS = [9.0, 5.0, 4.3, 6.2, 0.0, 0.0, 0.0]
SPEC = HeadSpec(
    name="tiny",
    property="band_gap",
    potential=PotentialConfig(
        elements=(3, 9, 11, 17, 19, 35),
        n_embedding=2,
        cutoff=4.5,
        l_max=2,
        nu_max=2,
        readout_hidden=(8,),
        separate_receiver_embedding=True,
    ),
    n_epochs=150,
    batch_size=4,
    learning_rate=2e-2,
    gradient_norm=1.0,
    ema_decay=0.9,
)


def trainer_of(spec: HeadSpec = SPEC, gaps: Sequence[float] = GAPS) -> HeadTrainer:
    data = Labelled(CRYSTALS, gaps)
    return HeadTrainer(spec, data, data)


class TestTraining:
    def test_values_are_learned(self) -> None:
        trainer = trainer_of()
        before, last = trainer.validate(), list(trainer.run())[-1]
        assert before is not None
        assert last.validation_mae is not None
        assert before > 2
        assert last.validation_mae < 0.4

    def test_of_a_metal_only_that_it_has_no_gap(self) -> None:
        """Labels at the bound pull down what lies above, and nothing else."""
        trainer = trainer_of(gaps=[0.0] * len(CRYSTALS))
        with torch.no_grad():
            trainer.potential.readout.linear.bias -= 50
        assert all(record.loss == 0 for record in trainer.run())

    def test_goes_on_where_it_stopped(self, tmp_path: Path) -> None:
        whole, half = trainer_of(replace(SPEC, n_epochs=4)), trainer_of(replace(SPEC, n_epochs=4))
        list(whole.run())
        epochs = half.run()
        next(epochs), next(epochs)
        save_state(half, tmp_path / "state.safetensors")
        again = trainer_of(replace(SPEC, n_epochs=4))
        load_state(again, tmp_path / "state.safetensors")
        list(again.run())
        assert again.records == whole.records
        pairs = zip(again.average.parameters(), whole.average.parameters(), strict=True)
        assert all(torch.equal(one, other) for one, other in pairs)

    def test_the_base_must_have_the_same_architecture(self, tmp_path: Path) -> None:
        data = Labelled(CRYSTALS, GAPS)
        with pytest.raises(InputError, match="architecture"):
            train_head(replace(HEAD_RECIPES["band-gap"], spec=SPEC), data, data, tmp_path)


def write_labelled(path: Path, structures: Sequence[Atoms], values: Sequence[float | None]) -> None:
    labelled = []
    for atoms, value in zip(structures, values, strict=True):
        one = atoms.copy()
        one.info = {} if value is None else {"band_gap": value}
        labelled.append(one)
    write(path, labelled, format="extxyz")


class TestData:
    def test_crystals_with_a_value(self, tmp_path: Path) -> None:
        molecule = Atoms("HF", [(0, 0, 0), (0, 0, 1)])
        write_labelled(tmp_path / "mp20_train.extxyz", [*CRYSTALS, molecule], [*GAPS[:-1], None, 3.0])
        write_labelled(tmp_path / "mp20_val.extxyz", CRYSTALS[:2], GAPS[:2])
        training, validation = load_labelled(tmp_path, "band_gap")
        assert [atoms.get_chemical_formula() for atoms in training.structures] == [
            atoms.get_chemical_formula() for atoms in CRYSTALS[:-1]
        ]
        assert (list(training.values), list(validation.values)) == (GAPS[:-1], GAPS[:2])

    def test_without_values_there_is_nothing_to_learn(self, tmp_path: Path) -> None:
        write_labelled(tmp_path / "mp20_train.extxyz", CRYSTALS, [None] * len(CRYSTALS))
        with pytest.raises(InputError, match="band_gap"):
            load_labelled(tmp_path, "band_gap")
        with pytest.raises(InputError, match="--data"):
            load_labelled(None, "band_gap")

    def test_by_command(self, tmp_path: Path) -> None:
        write_labelled(tmp_path / "mp20_train.extxyz", CRYSTALS, GAPS)
        write_labelled(tmp_path / "mp20_val.extxyz", CRYSTALS[:2], GAPS[:2])
        arguments = ["train", "--recipe", "band-gap", "--data", tmp_path, "--output", tmp_path / "run", "--epochs", 2]
        result = CliRunner().invoke(app, [str(argument) for argument in [*arguments, "--json"]])
        assert result.exit_code == 0, result.output
        told = json.loads(result.stdout.splitlines()[-1])
        card = read_card(tmp_path / "run" / "band_gap.json")
        assert told["scores"]["validation_mae"] == card.training["scores"]["validation_mae"]
        assert card.elements == ("Li", "F", "Na", "Cl", "K", "Br")
        assert (
            load_model(tmp_path / "run" / "band_gap.json").potential.config == HEAD_RECIPES["band-gap"].spec.potential
        )


class TestTarget:
    @pytest.mark.parametrize(
        ("options", "code"),
        [
            ({"target": {"hardness": (1.0, 2.0)}}, "invalid_value"),
            ({"target": {"band_gap": (2.0, 1.0)}}, "out_of_range"),
            ({"target": {"band_gap": (-1.0, 1.0)}}, "out_of_range"),
            ({"target": {"band_gap": (1.0, math.nan)}}, "out_of_range"),
            ({"target": {"formation_energy": (-11.0, 0.0)}}, "out_of_range"),
            ({"target": {"band_gap": (1.0, 2.0)}, "periodic": (False, False, False)}, "conflicting_fields"),
        ],
    )
    def test_what_is_none(self, options: dict[str, Any], code: str) -> None:
        with pytest.raises(InputError) as refused:
            GenerationSpec(composition="LiS", **options)
        assert (refused.value.code, refused.value.field) == (code, "target")

    def test_is_stored(self) -> None:
        spec = GenerationSpec(composition="LiS", target={"band_gap": (1.0, 2.0)})
        assert GenerationSpec.from_json(json.loads(json.dumps(spec.to_json()))) == spec
        assert "target" not in GenerationSpec(composition="LiS").to_json()

    def test_needs_an_estimate(self) -> None:
        spec = GenerationSpec(composition="NaCl", target={"formation_energy": (-2.0, -1.0)})
        spec.check_against(load_model("mp20-plus").card)
        with pytest.raises(InputError, match="pseudo energies only"):
            spec.check_against(load_model("mp20").card)
        head, model = read_card(SHIPPED_HEADS / "band_gap.json"), load_model("mp20-plus").card
        unlearned = next(symbol for symbol in ("Po", "At", "Rn", "Fr", "Ra", "Am") if symbol not in head.elements)
        knows = replace(model, volumes={**model.volumes, unlearned: 30.0})
        with pytest.raises(InputError, match=f"has not learned {unlearned}"):
            GenerationSpec(composition=f"{unlearned}O", target={"band_gap": (1.0, 2.0)}).check_against(knows)

    def test_is_met_within_the_range(self) -> None:
        def found(gap: float | None) -> GeneratedStructure:
            return GeneratedStructure(0, CRYSTALS[0], -1.0, True, 5, band_gap=gap)

        wanted: PropertyRanges = {"band_gap": (1.0, 2.0)}
        assert [is_met(wanted, found(gap)) for gap in (None, 0.99, 1.0, 2.0, 2.01)] == [False, False, True, True, False]
        assert is_met(None, found(None))

    def test_all_properties_have_their_pull(self) -> None:
        model = load_model("mp20-plus")
        ranges = {name: (known.lowest, known.highest) for name, known in PROPERTIES.items()}
        pulls = find_pulls(model, GenerationSpec(composition="LiS", target=ranges))
        assert len({pull.potential for pull in pulls}) == len(PROPERTIES)
        assert all(pull.stiffness > 0 and pull.reach > 0 for pull in pulls)


@pytest.fixture(scope="module")
def plus() -> Model:
    return load_model("mp20-plus", device="cpu")


def gaps_of(found: Sequence[GeneratedStructure]) -> list[float]:
    gaps = [item.band_gap for item in found if item.band_gap is not None]
    assert len(gaps) == len(found)
    return gaps


OPTIONS: dict[str, Any] = {"n": 12, "seed": 3, "formula_units": 1, "optimizer": "lbfgs"}


class TestSearch:
    def test_a_target_brings_estimates_closer(self, plus: Model) -> None:
        free = gaps_of(generate(plus, "ZnS", **OPTIONS))
        low = max(free) + 0.5
        aimed = gaps_of(generate(plus, "ZnS", target={"band_gap": (low, low + 2)}, **OPTIONS))
        assert np.mean(aimed) > np.mean(free) + 0.2

    def test_what_meets_it_comes_first(self, plus: Model) -> None:
        wanted: PropertyRanges = {"band_gap": (1.5, 4.0)}
        found = generate(plus, "ZnS", target=wanted, **OPTIONS)
        keys = [(not is_met(wanted, item), item.ranking_energy) for item in found]
        assert keys == sorted(keys)
        assert len({missed for missed, _ in keys}) == 2

    def test_walks_go_by_it(self, plus: Model, monkeypatch: pytest.MonkeyPatch) -> None:
        """What Metropolis' rule compares includes the penalty."""
        walked = []

        def spy(relaxed: Any, *arguments: Any) -> Any:
            walked.extend(relaxed)
            return relaxed

        monkeypatch.setattr(sampling, "walk", spy)
        generate(plus, "ZnS", hops=1, target={"band_gap": (15.0, 16.0)}, **{**OPTIONS, "n": 2})
        assert len(walked) == 2
        assert all(one.penalty > 1 for one in walked)
        assert all(one.enthalpy(0.0) == one.energy + one.penalty for one in walked)
