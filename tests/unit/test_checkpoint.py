"""Checkpoints on disk, the shipped models, and the surface as an ASE calculator."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk, molecule
from ase.calculators.fd import calculate_numerical_forces, calculate_numerical_stress
from potentials import random_structure
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from rm_engine.checkpoint import Model, load_model, save_model
from rm_engine.errors import CheckpointError, InputError, ModelNotFoundError
from rm_engine.spec import ModelCard, find_model, list_models, parse_formula, read_card
from rm_engine.spec.card import SHIPPED_MODELS

SHIPPED = {"mp20": 16_312, "diamond": 2_137, "qm7b": 16_490, "mp20-plus": 16_312}
N_RANKING = {"mp20-plus": 64_656}
"""Parameters of the potential that estimates formation energies."""


@pytest.fixture
def stored(tmp_path: Path) -> Path:
    """A copy of a shipped model, its JSON half."""
    return save_model(load_model("diamond", device="cpu"), tmp_path)


def edit(path: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    data = json.loads(path.read_text())
    change(data)
    path.write_text(json.dumps(data))


def in_double_precision(name: str) -> Model:
    model = load_model(name, device="cpu")
    return replace(model, potential=model.potential.double())


class TestRoundTrip:
    def test_everything_comes_back(self, stored: Path) -> None:
        original, loaded = load_model("diamond", device="cpu"), load_model(stored, device="cpu")
        assert loaded.card == original.card
        weights = dict(loaded.potential.named_parameters())
        for name, value in original.potential.named_parameters():
            assert torch.equal(weights[name], value), name
        assert not any(parameter.requires_grad for parameter in loaded.potential.parameters())
        assert not loaded.potential.training

    def test_a_directory_of_ones_own_comes_first(self, stored: Path, tmp_path: Path) -> None:
        edit(stored, lambda data: data["training"].update(source="mine"))
        assert load_model("diamond", directories=[tmp_path]).card.training["source"] == "mine"
        assert load_model("diamond").card.training["source"] != "mine"
        assert dict(list_models([tmp_path]))["diamond"] == stored
        assert dict(list_models())["diamond"] == SHIPPED_MODELS / "diamond.json"

    def test_saving_replaces(self, stored: Path, tmp_path: Path) -> None:
        model = load_model(stored, device="cpu")
        with torch.no_grad():
            model.potential.sender.fill_(0.5)
        save_model(model, tmp_path)
        assert (load_model(stored).potential.sender == 0.5).all()
        assert sorted(path.name for path in tmp_path.iterdir()) == ["diamond.json", "diamond.safetensors"]


class TestRefusals:
    def test_unknown_model_lists_those_there_are(self) -> None:
        with pytest.raises(ModelNotFoundError, match=r"no model 'nonsense'. Use one of: diamond, mp20"):
            load_model("nonsense")
        with pytest.raises(ModelNotFoundError):
            find_model("../../etc/passwd")
        with pytest.raises(ModelNotFoundError):
            load_model(Path("/nowhere/model.json"))

    def test_another_format_version(self, stored: Path) -> None:
        edit(stored, lambda data: data.update(format_version=2))
        with pytest.raises(CheckpointError, match="format version 2, this program reads 1"):
            load_model(stored)

    @pytest.mark.parametrize(
        "text", ["", "[]", "{}", "no json", '{"format_version": 1}', '{"format_version": 1, "potential": {}}']
    )
    def test_what_is_no_card(self, stored: Path, text: str) -> None:
        stored.write_text(text)
        with pytest.raises(CheckpointError, match="not the JSON half"):
            load_model(stored)

    def test_an_unknown_field(self, stored: Path) -> None:
        edit(stored, lambda data: data.update(surprise=1))
        with pytest.raises(CheckpointError, match="surprise"):
            read_card(stored)

    def test_weights_missing_or_too_many_or_misshapen(self, stored: Path) -> None:
        path = stored.with_suffix(".safetensors")
        weights = load_file(path)
        without = {name: value for name, value in weights.items() if name != "sender"}
        for changed, complaint in (
            (without, "sender missing"),
            ({**weights, "extra": torch.zeros(1)}, "extra missing or too many"),
            ({**weights, "sender": torch.zeros(2, 1)}, r"sender has shape \(2, 1\)"),
        ):
            save_file(changed, path)
            with pytest.raises(CheckpointError, match=complaint):
                load_model(stored)
        path.write_bytes(b"not tensors at all")
        with pytest.raises(CheckpointError, match="not a safetensors file"):
            load_model(stored)
        path.unlink()
        with pytest.raises(ModelNotFoundError, match="no weights"):
            load_model(stored)


class TestShippedModels:
    @pytest.mark.parametrize("name", list(SHIPPED))
    def test_loads_with_its_parameters(self, name: str) -> None:
        model = load_model(name, device="cpu")
        assert sum(parameter.numel() for parameter in model.potential.parameters()) == SHIPPED[name]
        assert all(torch.isfinite(parameter).all() for parameter in model.potential.parameters())
        assert model.card.name == name
        assert all(volume >= 0 for volume in model.card.volumes.values())
        assert set(model.card.reference_energies) <= set(model.card.volumes)
        assert np.isfinite(list(model.card.reference_energies.values())).all()

    @pytest.mark.parametrize("name", list(SHIPPED))
    def test_says_how_it_was_made(self, name: str) -> None:
        record = read_card(SHIPPED_MODELS / f"{name}.json").training
        assert record.keys() - {"ranking", "note"} == {
            "source",
            "n_structures",
            "spec",
            "n_steps",
            "scores",
            "data",
            "curves",
        }
        assert ("ranking" in record) == (name in N_RANKING)
        assert record["spec"]["name"] == name.removesuffix("-plus"), "the response is that of the base"
        assert record["scores"]["validation_force_rmse"] < 0.25

    @pytest.mark.parametrize("name", list(SHIPPED))
    def test_is_small_and_holds_no_code(self, name: str) -> None:
        path = SHIPPED_MODELS / f"{name}.safetensors"
        assert path.stat().st_size < 5 * (SHIPPED[name] + N_RANKING.get(name, 0)) + 5_000
        with safe_open(path, framework="pt") as stream:
            assert all(stream.get_tensor(key).dtype == torch.float32 for key in stream.keys())  # noqa: SIM118
        content = path.read_bytes()
        header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
        assert all(set(entry) == {"dtype", "shape", "data_offsets"} for entry in header.values())

    def test_the_folder_holds_nothing_else(self) -> None:
        expected = {f"{name}{suffix}" for name in SHIPPED for suffix in (".json", ".safetensors")}
        assert {path.name for path in SHIPPED_MODELS.iterdir()} == {*expected, "prototypes.json.gz"}

    def test_diamond_knows_diamond(self) -> None:
        """The one structure it was trained on is at rest, and lower than close packing at the same volume."""
        model = load_model("diamond", device="cpu")
        energies = []
        for lattice, n_per_cube in (("diamond", 8), ("fcc", 4), ("bcc", 2)):
            atoms = bulk("C", lattice, a=(4.4 * n_per_cube) ** (1 / 3))
            atoms.calc = model.get_calculator()
            energies.append(atoms.get_potential_energy() / len(atoms))
            if lattice == "diamond":
                assert np.abs(atoms.get_forces()).max() < 1e-3
                assert np.abs(atoms.get_stress()).max() < 0.02
        assert energies[0] == min(energies)
        assert model.card.reference_energies["C"] == pytest.approx(energies[0], abs=0.01)

    def test_mp20_knows_every_element_of_its_training_set(self) -> None:
        card = read_card(SHIPPED_MODELS / "mp20.json")
        assert len(card.elements) == 94 - len({"Ar", "Po", "At", "Rn", "Fr", "Ra"})
        assert card.volume_of(parse_formula("Li2S")) == pytest.approx(2 * card.volumes["Li"] + card.volumes["S"])


class TestCard:
    def test_json_there_and_back(self) -> None:
        text = (SHIPPED_MODELS / "mp20.json").read_text(encoding="utf-8")
        assert ModelCard.from_json(text).to_json() == text


class TestCalculator:
    @pytest.mark.parametrize("name", list(SHIPPED))
    @pytest.mark.parametrize("pbc", [True, False])
    def test_derivatives_through_ase(self, name: str, pbc: bool) -> None:
        elements = {"diamond": [6], "qm7b": [1, 6, 8]}.get(name, [3, 16, 26])
        atoms = random_structure(elements, 3, 1, length=4.0, pbc=pbc)
        atoms.calc = in_double_precision(name).get_calculator()
        forces = atoms.get_forces()
        numeric = calculate_numerical_forces(atoms, eps=1e-5)
        np.testing.assert_allclose(forces, numeric, atol=1e-6 * max(1, np.abs(forces).max()))
        if pbc:
            stress = atoms.get_stress()
            numeric = calculate_numerical_stress(atoms, eps=1e-6)
            np.testing.assert_allclose(stress, numeric, atol=1e-6 * max(1, np.abs(stress).max()))

    def test_what_is_no_crystal_has_no_stress(self) -> None:
        atoms = molecule("CH4")
        atoms.calc = load_model("mp20").get_calculator()
        assert np.isfinite(atoms.get_potential_energy())
        with pytest.raises(NotImplementedError):
            atoms.get_stress()

    def test_follows_the_atoms(self) -> None:
        atoms = bulk("NaCl", "rocksalt", a=5.6)
        atoms.calc = load_model("mp20").get_calculator()
        before = atoms.get_potential_energy()
        atoms.rattle(0.1, seed=1)
        assert atoms.get_potential_energy() != before
        assert atoms.get_potential_energy(force_consistent=True) == atoms.get_potential_energy()

    def test_an_unknown_element_is_named(self) -> None:
        atoms = Atoms("CPu", [[0, 0, 0], [0, 0, 2]])
        atoms.calc = load_model("diamond").get_calculator()
        with pytest.raises(InputError, match="Pu") as caught:
            atoms.get_potential_energy()
        assert caught.value.code == "element_not_in_model"
