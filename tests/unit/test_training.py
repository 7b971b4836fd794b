"""Training: that it learns, that it can be stopped anywhere, and that it leaks nothing."""

from __future__ import annotations

import csv
import gzip
import itertools
import json
import math
import os
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk, molecule
from ase.io import write
from torch import Tensor

from rm_engine.checkpoint import Model, load_model, replace_file
from rm_engine.errors import CheckpointError, InputError
from rm_engine.potential import evaluate
from rm_engine.relax import RelaxationConfig, relax
from rm_engine.spec import ModelCard, NoiseSpec, PotentialConfig, TrainingSpec
from rm_engine.structure import StructureBatch
from rm_engine.training import RECIPES, EpochRecord, Trainer, TrainingData, TrainingWatch, read_log, train
from rm_engine.training.dataset import TrainingSet, repeat_small_cell
from rm_engine.training.elements import build_prototypes, find_end_members, regress_volumes
from rm_engine.training.run import STATE_FILE, split_data
from rm_engine.training.state import load_state, save_state

SMALL = PotentialConfig(
    elements=(1, 6, 8, 11, 12, 17),
    n_embedding=2,
    cutoff=3.5,
    l_max=3,
    nu_max=3,
    readout_hidden=(8, 4),
    separate_receiver_embedding=True,
    n_radial_functions=4,
    n_radial_channels=3,
)
SPEC = TrainingSpec(
    name="small", potential=SMALL, noise=NoiseSpec(amplitudes=(0.1, 0.3)), n_epochs=3, batch_size=4, ema_decay=0.9
)


def structures() -> list[Atoms]:
    """Crystals and molecules of every element that the potential knows."""
    return [
        bulk("NaCl", "rocksalt", a=5.6),
        bulk("MgO", "rocksalt", a=4.2),
        bulk("Mg"),
        bulk("C", "diamond", a=3.6),
        molecule("H2O"),
        molecule("CH4"),
        bulk("Na", "bcc", a=4.2),
        bulk("NaCl", "cesiumchloride", a=3.4),
        molecule("CH3Cl"),
    ]


def trainer_of(spec: TrainingSpec = SPEC) -> Trainer:
    return Trainer(spec, structures(), structures()[:2])


def weights_of(trainer: Trainer) -> dict[str, Tensor]:
    """Everything a run must remember, by name."""
    found = {f"average/{name}": value for name, value in trainer.average.named_parameters()}
    for name, parameter in trainer.potential.named_parameters():
        found[f"potential/{name}"] = parameter
        for key, value in trainer.optimizer.state[parameter].items():
            found[f"{key}/{name}"] = value
    return {name: value.detach().clone() for name, value in found.items()}


def assert_identical(first: dict[str, Tensor], second: dict[str, Tensor]) -> None:
    assert first.keys() == second.keys()
    for name, value in first.items():
        assert torch.equal(value, second[name]), name


class TestLearning:
    def test_every_parameter_exists_before_training_and_moves(self) -> None:
        trainer = trainer_of()
        before = {name: value.detach().clone() for name, value in trainer.potential.named_parameters()}
        optimized = {id(p) for group in trainer.optimizer.param_groups for p in group["params"]}
        assert {id(p) for p in trainer.potential.parameters()} == optimized
        list(trainer.run())
        after = dict(trainer.potential.named_parameters())
        assert after.keys() == before.keys()
        for name, value in before.items():
            if name in ("readout.mlp.4.bias", "readout.linear.bias"):
                continue  # a constant energy, which no force can tell; it only decays
            moved = (after[name] != value).double().mean()
            assert moved == 1, f"{name}: only {moved:.0%} moved"
            assert (after[name] - value).abs().max() > 1e-4, name

    def test_the_loss_falls(self) -> None:
        oxide = bulk("MgO", "rocksalt", a=4.2)
        noise = NoiseSpec(amplitudes=(0.2,), largest_scaling=0.0, cell_noise=0.0)
        spec = replace(SPEC, n_epochs=8, learning_rate=4e-2, gradient_norm=1.0, stress_weight=0.0, noise=noise)
        records = list(Trainer(spec, [oxide] * 16, [oxide] * 4).run())
        assert records[-1].loss < 0.6 * records[0].loss
        assert records[-1].validation_loss < 0.6 * records[0].validation_loss
        assert [record.epoch for record in records] == list(range(1, 9))

    def test_the_same_seed_gives_the_same_weights(self) -> None:
        torch.manual_seed(1)
        first = trainer_of()
        torch.manual_seed(2)
        second, other = trainer_of(), trainer_of(replace(SPEC, seed=1))
        for trainer in (first, second, other):
            next(trainer.run())
        assert_identical(weights_of(first), weights_of(second))
        assert not torch.equal(first.potential.sender, other.potential.sender)

    def test_noise_is_fresh_at_every_visit(self) -> None:
        trainer = Trainer(SPEC, structures()[:1], [])
        batch = trainer.training_set.structures
        drawn = [trainer.draw(batch, 0, visit).noisy.batch.positions for visit in range(4)]
        for first, second in itertools.combinations(drawn, 2):
            assert not torch.equal(first, second)
        assert torch.equal(drawn[2], trainer.draw(batch, 0, 2).noisy.batch.positions)

    def test_average_is_exponential_with_a_short_memory_at_first(self) -> None:
        trainer = trainer_of()
        expected = trainer.potential.readout.linear.weight.detach().clone()
        for step, batch in enumerate(itertools.islice(trainer.training_set.batches(2, (0,)), 5), start=1):
            trainer.step(batch)
            decay = min(0.9, (1 + step) / (10 + step))
            expected = decay * expected + (1 - decay) * trainer.potential.readout.linear.weight.detach()
        torch.testing.assert_close(trainer.average.readout.linear.weight.detach(), expected)

    def test_learning_rate_rises_then_falls_as_a_cosine(self) -> None:
        trainer = trainer_of(replace(SPEC, n_epochs=100, warmup=0.1, final_rate=0.02, learning_rate=1e-2))
        total = 100 * trainer.steps_per_epoch
        rates = []
        for trainer.n_steps in range(total + 1):
            rates.append(trainer.learning_rate())
        top = total // 10
        assert np.argmax(rates) == top
        assert rates[top] == pytest.approx(1e-2)
        np.testing.assert_allclose(np.diff(rates[1:top]), 1e-2 / top, rtol=1e-6)
        assert rates[top + (total - top) // 2] == pytest.approx(1e-2 * (0.02 + 0.98 / 2), rel=0.02)
        assert rates[-1] == pytest.approx(2e-4)
        assert (np.diff(rates[top:]) < 0).all()

    def test_gradients_are_clipped(self) -> None:
        trainer = trainer_of(replace(SPEC, gradient_norm=1e-3))
        trainer.step(trainer.training_set.structures)
        norm = math.sqrt(
            sum(float(p.grad.square().sum()) for p in trainer.potential.parameters() if p.grad is not None)
        )
        assert norm == pytest.approx(1e-3, rel=1e-3)

    def test_the_loss_is_that_of_the_equation(self) -> None:
        """Mean squared errors of forces, and of the stresses of crystals only, with their weights."""
        trainer = trainer_of(replace(SPEC, force_weight=2.0, stress_weight=7.0))
        example = trainer.draw(trainer.training_set.structures, 0, 0)
        errors = trainer.errors_of(trainer.potential, example)
        alone = evaluate(trainer.potential, example.noisy.batch, example.neighbors, bare=True)
        crystals = example.noisy.batch.is_crystal
        force = (alone.forces - example.target.forces).square().mean()
        stress = (alone.stresses - example.target.stresses)[crystals].square().mean()
        assert 0 < int(crystals.sum()) < len(crystals)
        torch.testing.assert_close(errors.loss(trainer.spec), 2 * force + 7 * stress)


class TestResume:
    def test_stopped_and_resumed_is_bit_for_bit_the_same(self, tmp_path: Path) -> None:
        straight = trainer_of()
        expected = list(straight.run())
        stopped = trainer_of()
        next(stopped.run())
        save_state(stopped, tmp_path / STATE_FILE)
        resumed = trainer_of()
        load_state(resumed, tmp_path / STATE_FILE)
        assert_identical(weights_of(resumed), weights_of(stopped))
        assert list(resumed.run()) == expected[1:]
        assert resumed.records == expected
        assert_identical(weights_of(resumed), weights_of(straight))

    def test_a_killed_run_goes_on_in_its_folder(self, tmp_path: Path) -> None:
        class Killed(Exception):  # noqa: N818
            pass

        def kill(done: int, _: float) -> None:
            if done == 5:  # in mid epoch: what was done since the last state is done again
                raise Killed

        data = TrainingData(structures(), structures()[:3])
        whole = train(SPEC, data, tmp_path / "whole", source="test")
        with pytest.raises(Killed):
            train(SPEC, data, tmp_path / "killed", source="test", watch=TrainingWatch(on_step=kill))
        started: list[tuple[int, int]] = []
        watch = TrainingWatch(on_start=lambda done, total: started.append((done, total)))
        resumed = train(SPEC, data, tmp_path / "killed", source="test", watch=watch)
        assert started == [(3, 9)]
        assert resumed.card == whole.card
        for name in ("small.safetensors", "small.json", "log.jsonl"):
            assert (tmp_path / "killed" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()

    def test_a_finished_run_is_not_trained_again(self, tmp_path: Path) -> None:
        data = TrainingData(structures())
        first = train(SPEC, data, tmp_path, source="test")
        steps: list[int] = []
        again = train(SPEC, data, tmp_path, source="test", watch=TrainingWatch(on_step=lambda n, _: steps.append(n)))
        assert steps == []
        assert again.card == first.card

    def test_other_settings_refuse_to_resume(self, tmp_path: Path) -> None:
        data = TrainingData(structures())
        train(replace(SPEC, n_epochs=1), data, tmp_path, source="test")
        for other in (replace(SPEC, n_epochs=2), replace(SPEC, n_epochs=1, seed=3)):
            with pytest.raises(CheckpointError, match="other settings"):
                train(other, data, tmp_path, source="test")

    def test_an_interrupted_save_leaves_the_old_state(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        trainer = trainer_of()
        next(trainer.run())
        path = tmp_path / STATE_FILE
        save_state(trainer, path)
        before = path.read_bytes()
        next(trainer.run())

        def disk_full(_: int) -> None:
            raise OSError(28, "No space left on device")

        with monkeypatch.context() as patched:
            patched.setattr(os, "fsync", disk_full)
            with pytest.raises(OSError, match="No space"):
                save_state(trainer, path)
        assert path.read_bytes() == before
        load_state(trainer_of(), path)
        save_state(trainer, path)  # the half file left behind is in nobody's way
        assert path.read_bytes() != before
        assert sorted(file.name for file in tmp_path.iterdir()) == [STATE_FILE]


class TestRun:
    def test_log_card_and_checkpoint(self, tmp_path: Path) -> None:
        epochs: list[EpochRecord] = []
        watch = TrainingWatch(on_epoch=epochs.append)
        data = TrainingData(structures(), structures()[:3])
        model = train(SPEC, data, tmp_path, source="nine structures", watch=watch)
        assert read_log(tmp_path) == epochs
        assert len(epochs) == 3
        stored = load_model(tmp_path / "small.json")
        assert stored.card == ModelCard.from_json(model.card.to_json())
        assert stored.card.training["source"] == "nine structures"
        assert stored.card.training["n_structures"] == 9
        assert stored.card.training["scores"] == asdict(epochs[-1])
        assert set(stored.card.elements) == {"H", "C", "O", "Na", "Mg", "Cl"}
        for ours, theirs in zip(stored.potential.parameters(), model.potential.parameters(), strict=True):
            assert torch.equal(ours, theirs)

    @pytest.mark.parametrize("only", [bulk("Mg"), molecule("CH4")], ids=["crystal", "molecule"])
    def test_scores_that_there_are_not_are_still_json(self, tmp_path: Path, only: Atoms) -> None:
        """Without validation there is no validation score, without crystals none of stresses; NaN is not JSON."""
        spec = replace(SPEC, n_epochs=1, validation_fraction=0.0)
        train(spec, TrainingData([only]), tmp_path, source="test")

        def refuse(text: str) -> None:
            raise AssertionError(f"{text} is not JSON")

        for line in (tmp_path / "log.jsonl").read_text().splitlines():
            assert json.loads(line, parse_constant=refuse)["validation_loss"] is None
        scores = json.loads((tmp_path / "small.json").read_text(), parse_constant=refuse)["training"]["scores"]
        assert (scores["stress_rmse"] is None) is (not only.pbc.all())
        assert read_log(tmp_path)[0].validation_force_rmse is None
        train(spec, TrainingData([only]), tmp_path, source="test")  # and such a state can be read again

    def test_validation_keeps_whole_structures_out(self) -> None:
        data = TrainingData([bulk("NaCl", "rocksalt", a=5 + 0.01 * k) for k in range(40)])
        training, validation = split_data(replace(SPEC, validation_fraction=0.25), data)
        volumes = [{round(a.get_volume(), 6) for a in part} for part in (training, validation)]
        assert [len(part) for part in volumes] == [30, 10]
        assert not volumes[0] & volumes[1]
        given = split_data(SPEC, TrainingData(data.training, structures()))
        assert (len(given[0]), len(given[1])) == (40, len(structures()))

    def test_validation_noise_stays_the_same(self) -> None:
        trainer = trainer_of()
        first, again = ([float(errors.force) for errors in trainer.validate()] for _ in range(2))
        assert first == again

    def test_no_data_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(InputError) as caught:
            train(SPEC, TrainingData([]), tmp_path, source="test")
        assert caught.value.code == "no_structures"
        assert not list(tmp_path.iterdir())


class TestElements:
    def test_volumes_are_recovered(self) -> None:
        planted = {"Na": 20.0, "Cl": 30.0, "Mg": 12.5, "O": 0.0}
        rng = np.random.default_rng(0)
        crystals = []
        for _ in range(20):
            symbols = rng.choice(list(planted), rng.integers(1, 6)).tolist()
            volume = max(1e-3, sum(planted[s] for s in symbols))
            crystals.append(Atoms(symbols, cell=[volume ** (1 / 3)] * 3, pbc=True))
        for symbol, volume in regress_volumes([*crystals, molecule("CH4")]).items():
            assert volume == pytest.approx(planted.get(symbol, 4 / 3 * np.pi * 1.5**3), abs=0.01)

    def test_no_volume_is_negative(self) -> None:
        crystals = [Atoms("Na", cell=[3] * 3, pbc=True), Atoms("NaCl", cell=[2] * 3, pbc=True)]
        assert regress_volumes(crystals)["Cl"] == 0

    def test_reference_energy_is_the_lowest_of_the_relaxed(self) -> None:
        model: Model = load_model("diamond", device="cpu")
        crystals = [bulk("C", "diamond", a=3.4), bulk("C", "fcc", a=2.5), molecule("CH4")]
        found = find_end_members(model, crystals)
        batch = StructureBatch.from_atoms(crystals[:2])
        result = relax(model.potential, batch, RelaxationConfig(fmax=0.005, max_steps=1000))
        assert result.converged.any()
        per_atom = (result.energies / batch.sizes)[result.converged]
        assert found == {"C": pytest.approx(float(per_atom.min()))}
        assert find_end_members(model, crystals[2:]) == {}

    def test_an_element_only_in_compounds_is_tried_in_prototypes(self, tmp_path: Path) -> None:
        """Without its end member no compound of an element would have a hull."""
        for crystal in build_prototypes("Mg", 23.0):
            assert crystal.get_volume() / len(crystal) == pytest.approx(23.0)
        spec = replace(SPEC, n_epochs=1, potential=replace(SMALL, core_contact=0.7))
        model = train(spec, TrainingData([bulk("MgO", "rocksalt", a=4.2)] * 4), tmp_path, source="test")
        assert set(model.card.reference_energies) <= {"Mg", "O"}


class TestDataSet:
    def test_take_gives_the_rows_in_order(self) -> None:
        everything = TrainingSet.from_atoms(structures(), smallest_cell=1)
        taken = everything.take(torch.tensor([7, 0, 4, 0])).to_atoms()
        for atoms, row in zip(taken, (7, 0, 4, 0), strict=True):
            expected = structures()[row]
            assert atoms.get_chemical_formula() == expected.get_chemical_formula()
            np.testing.assert_allclose(atoms.positions, expected.positions, atol=1e-6)
            np.testing.assert_array_equal(atoms.pbc, expected.pbc)
            np.testing.assert_allclose(atoms.cell.array, expected.cell.array, atol=1e-6)

    def test_batches_visit_everything_once(self) -> None:
        everything = TrainingSet.from_atoms(structures(), smallest_cell=1)
        batches = list(everything.batches(4, (0, 1)))
        assert [batch.n_structures for batch in batches] == [4, 4, 1]
        visited = sorted(atoms.get_chemical_formula() for batch in batches for atoms in batch.to_atoms())
        assert visited == sorted(atoms.get_chemical_formula() for atoms in structures())
        orders = [torch.cat([batch.sizes for batch in everything.batches(4, (0, n))]).tolist() for n in (1, 1, 2)]
        assert orders[0] == orders[1] != orders[2]

    def test_small_cells_are_doubled_along_their_shortest_height(self) -> None:
        thin = Atoms("C", cell=np.diag([2.0, 5.0, 9.0]), pbc=True)
        assert repeat_small_cell(thin, 8).cell.lengths().tolist() == [8.0, 10.0, 9.0]
        assert len(repeat_small_cell(bulk("NaCl", "rocksalt", a=5.6, cubic=True), 8)) == 8
        assert len(repeat_small_cell(bulk("Mg"), 8)) == 8
        for kept in (molecule("H2O"), Atoms("C", cell=[3, 3, 9], pbc=(True, True, False))):
            assert repeat_small_cell(kept, 8) == kept


def mp20_folder(tmp_path: Path, suffix: str) -> Path:
    """The two parts of MP-20 in one of their formats, with crystals only."""
    crystals = [atoms for atoms in structures() if atoms.pbc.all()]
    for part, chosen in (("train", crystals), ("val", crystals[:2])):
        if suffix == ".csv":
            with (tmp_path / f"{part}.csv").open("w", newline="") as stream:
                table = csv.writer(stream)
                table.writerow(["", "material_id", "pretty_formula", "cif"])
                for number, atoms in enumerate(chosen):
                    write(tmp_path / "one.cif", atoms)
                    cif = (tmp_path / "one.cif").read_text()
                    table.writerow([number, f"mp-{number}", atoms.get_chemical_formula(), cif])
            (tmp_path / "one.cif").unlink()
        else:
            plain = tmp_path / f"mp20_{part}.extxyz"
            write(plain, chosen)
            if suffix == ".extxyz.gz":
                (tmp_path / f"mp20_{part}.extxyz.gz").write_bytes(gzip.compress(plain.read_bytes()))
                plain.unlink()
    return tmp_path


class TestRecipes:
    @pytest.mark.parametrize("suffix", [".extxyz.gz", ".extxyz", ".csv"])
    def test_mp20_is_read_from_its_formats(self, tmp_path: Path, suffix: str) -> None:
        data = RECIPES["mp20"].load(mp20_folder(tmp_path, suffix))
        expected = [atoms for atoms in structures() if atoms.pbc.all()]
        assert len(data.validation) == 2
        assert data.source == ""
        for atoms, original in zip(data.training, expected, strict=True):
            assert atoms.get_chemical_formula() == original.get_chemical_formula()
            assert atoms.get_volume() == pytest.approx(original.get_volume(), rel=1e-5)

    def test_training_on_a_folder_of_cif_files(self, tmp_path: Path) -> None:
        (tmp_path / "cifs").mkdir()
        for number, atoms in enumerate(atoms for atoms in structures() if atoms.pbc.all()):
            write(tmp_path / "cifs" / f"{number}.cif", atoms)
        data = RECIPES["mp20"].load(tmp_path / "cifs")
        assert len(data.training) == 6
        assert data.source == "cifs", "the card does not say MP-20"
        model = train(replace(SPEC, n_epochs=1), data, tmp_path / "run", source="files")
        assert set(model.card.elements) == {"C", "O", "Na", "Mg", "Cl"}

    @pytest.mark.parametrize("path_of", [lambda _: None, lambda folder: folder], ids=["nothing", "empty folder"])
    def test_mp20_without_data_says_what_it_wants(self, tmp_path: Path, path_of: Callable[[Path], Path | None]) -> None:
        with pytest.raises(InputError) as caught:
            RECIPES["mp20"].load(path_of(tmp_path))
        assert caught.value.code == "data_required"

    def test_diamond_needs_no_data(self) -> None:
        data = RECIPES["diamond"].load(None)
        volumes = {round(a.get_volume() / len(a), 9) for a in (*data.training, *data.validation)}
        assert volumes == {4.4}
        assert {len(atoms) for atoms in data.training} == {64}


def test_replace_file_replaces(tmp_path: Path) -> None:
    path = tmp_path / "file"
    for content in (b"first", b"second"):
        replace_file(path, content)
        assert path.read_bytes() == content
