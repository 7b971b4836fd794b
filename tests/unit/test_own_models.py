"""Models of one's own: what a user's few words come to."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from ase import Atoms
from ase.build import bulk, molecule

import rm_engine
from rm_engine.checkpoint import Model
from rm_engine.errors import InputError
from rm_engine.spec import ModelCard, ModelSpec, StartMix
from rm_engine.spec.limits import MAX_TRAINING_ATOMS, MAX_TRAINING_STRUCTURES
from rm_engine.training import TrainingWatch, train_own
from rm_engine.training.own import plan_training

SALT = bulk("NaCl", "rocksalt", a=5.64)
DIAMOND = bulk("C", "diamond", a=3.567)


def spec_of(*structures: Atoms, **changes: object) -> ModelSpec:
    n_atoms = sum(map(len, structures))
    fields = {"name": "mine", "n_structures": len(structures), "n_atoms": n_atoms, "n_epochs": 1, **changes}
    return ModelSpec(**fields)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def diamond() -> Model:
    return rm_engine.load_model("diamond", device="cpu")


class StopError(Exception):
    """Whoever waits for the training has enough."""


def stop(*_: object) -> None:
    raise StopError


@pytest.mark.parametrize(
    ("changes", "code", "field"),
    [
        ({"name": "Mine"}, "invalid_name", "name"),
        ({"name": "../mine"}, "invalid_name", "name"),
        ({"name": ""}, "invalid_name", "name"),
        ({"name": "m" * 41}, "invalid_name", "name"),
        ({"n_structures": 0, "n_atoms": 0}, "out_of_range", "structures"),
        ({"n_structures": MAX_TRAINING_STRUCTURES + 1, "n_atoms": 2000}, "out_of_range", "structures"),
        ({"n_atoms": MAX_TRAINING_ATOMS + 1}, "out_of_range", "structures"),
        ({"n_epochs": 0}, "out_of_range", "epochs"),
        ({"seed": -1}, "out_of_range", "seed"),
    ],
)
def test_what_is_out_of_bounds_is_named(changes: dict[str, object], code: str, field: str) -> None:
    with pytest.raises(InputError) as caught:
        spec_of(SALT, **changes)
    assert (caught.value.code, caught.value.field) == (code, field)


def test_a_stored_training_is_read_back() -> None:
    spec = spec_of(SALT, base="mp20", seed=3)
    assert ModelSpec.from_json({**spec.to_json(), "of a later version": 1}) == spec


def test_few_structures_are_visited_often_and_the_work_says_so() -> None:
    one, many = spec_of(SALT), spec_of(*[SALT] * 64)
    assert (one.repeats, many.repeats) == (64, 1)
    assert one.atom_steps == many.atom_steps > 0
    assert replace(one, n_epochs=10).atom_steps == 10 * one.atom_steps


def test_the_plan_follows_from_the_structures(diamond: Model) -> None:
    crystals = plan_training(spec_of(SALT), [SALT], None)
    assert (crystals.potential.elements, crystals.potential.n_embedding) == ((11, 17), 2)
    assert crystals.noise.smallest_cell == 64
    molecules = plan_training(spec_of(molecule("H2O")), [molecule("H2O")], None)
    assert molecules.noise.amplitudes[-1] == 2 * crystals.noise.amplitudes[-1], "as the paper shakes molecules"
    tuned = plan_training(spec_of(DIAMOND), [DIAMOND], diamond)
    assert tuned.potential == diamond.card.potential
    assert tuned.learning_rate < crystals.learning_rate


@pytest.mark.parametrize(
    ("structures", "code"),
    [
        ([SALT, molecule("H2O")], "mixed_structures"),
        ([Atoms("C", cell=[3, 3, 9], pbc=(True, True, False))], "mixed_structures"),
        ([SALT], "unsuitable_base"),
        ([molecule("CH4")], "unsuitable_base"),
    ],
)
def test_what_cannot_be_learned_together_is_refused(
    structures: list[Atoms], code: str, diamond: Model, tmp_path: Path
) -> None:
    with pytest.raises(InputError) as caught:
        train_own(spec_of(*structures), structures, tmp_path, base=diamond)
    assert caught.value.code == code


def test_what_nothing_can_be_learned_from_is_named_by_its_place(tmp_path: Path) -> None:
    fused = Atoms("C2", positions=[[0, 0, 0], [0, 0, 0.1]], cell=[4, 4, 4], pbc=True)
    with pytest.raises(InputError, match="training structure 1"):
        train_own(spec_of(DIAMOND, fused), [DIAMOND, fused], tmp_path)


def test_a_training_that_was_stopped_goes_on_bit_for_bit(tmp_path: Path) -> None:
    spec = spec_of(SALT, n_epochs=2)
    whole = train_own(spec, [SALT], tmp_path / "whole")
    with pytest.raises(StopError):
        train_own(spec, [SALT], tmp_path / "parts", watch=TrainingWatch(on_epoch=stop))
    parts = train_own(spec, [SALT], tmp_path / "parts")
    for one, other in zip(whole.potential.parameters(), parts.potential.parameters(), strict=True):
        assert torch.equal(one, other)
    assert whole.card == parts.card
    assert whole.card.training["n_structures"] == 1
    assert whole.card.boundary == "crystal"


def test_fine_tuning_begins_where_the_base_stands_and_keeps_what_it_ranks_by(tmp_path: Path) -> None:
    base = rm_engine.load_model("mp20-plus", device="cpu")
    tuned = train_own(spec_of(SALT, base="mp20-plus"), [SALT], tmp_path, base=base)
    moved = [
        float((one - other).abs().max())
        for one, other in zip(base.potential.parameters(), tuned.potential.parameters(), strict=True)
    ]
    assert 0 < max(moved) < 0.2, "changed, and not anew"
    assert tuned.formation is base.formation
    assert (tuned.card.energy_kind, tuned.card.elements) == ("formation", ("Na", "Cl"))
    assert tuned.card.training["base"] == "mp20-plus"
    reloaded = rm_engine.load_model(tmp_path / "mine.json", device="cpu")
    assert reloaded.card == ModelCard.from_json(tuned.card.to_json())


@pytest.mark.slow
def test_one_diamond_is_enough(tmp_path: Path) -> None:
    """From a single cell: the lowest of a hundred structures, from random starts alone, is cubic diamond."""
    model = train_own(spec_of(DIAMOND, n_epochs=60), [DIAMOND], tmp_path)
    found = rm_engine.generate(model, "C", n=100, seed=1, starts=StartMix(random=1))
    assert found[0].space_group is not None
    assert found[0].space_group.number == 227
    assert found[0].atoms.get_volume() / len(found[0].atoms) == pytest.approx(5.67, rel=0.05)
