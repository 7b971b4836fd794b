"""Training under adversity: wrong data, losses that run away, killed processes, full disks."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk, make_supercell, molecule
from processes import clean_environment

from rm_engine.errors import InputError, TrainingDivergedError
from rm_engine.files import write_structure
from rm_engine.spec import NoiseSpec, PotentialConfig, TrainingSpec
from rm_engine.training import Trainer, TrainingData, TrainingWatch, read_log, train
from rm_engine.training.divergence import MULTIPLE, PATIENCE, WINDOW, DivergenceGuard
from rm_engine.training.recipes import load_files
from rm_engine.training.record import hash_structures, summarize_curves
from rm_engine.training.run import STATE_FILE
from rm_engine.training.screening import BadStructure, find_bad
from rm_engine.training.state import load_state, save_state

SPEC = TrainingSpec(
    name="small",
    potential=PotentialConfig(
        elements=(1, 6, 8, 11, 12, 17),
        n_embedding=2,
        cutoff=3.0,
        l_max=2,
        nu_max=2,
        readout_hidden=(4,),
        separate_receiver_embedding=False,
        n_radial_functions=3,
        n_radial_channels=2,
    ),
    noise=NoiseSpec(amplitudes=(0.1, 0.3)),
    n_epochs=6,
    batch_size=2,
    ema_decay=0.9,
)


def salts() -> list[Atoms]:
    return [bulk("NaCl", "rocksalt", a=5.6), bulk("MgO", "rocksalt", a=4.2), molecule("H2O"), bulk("Mg")]


def feed(guard: DivergenceGuard, losses: Iterable[float]) -> None:
    for step, loss in enumerate(losses):
        guard.check(step, loss)


class TestDivergence:
    def test_a_loss_far_off_for_long_ends_it(self) -> None:
        guard = DivergenceGuard()
        for step in range(WINDOW):
            guard.check(step, 1.0 + step % 3)
        assert guard.is_calm
        for step in range(PATIENCE - 1):
            guard.check(step, MULTIPLE * 2.0 + 0.1)
            assert not guard.is_calm
        with pytest.raises(TrainingDivergedError, match=r"10 times its lowest running median, 2,") as caught:
            guard.check(1234, MULTIPLE * 2.0 + 0.1)
        assert caught.value.step == 1234

    def test_hard_batches_now_and_then_do_not(self) -> None:
        guard = DivergenceGuard()
        feed(guard, np.exp(np.random.default_rng(0).normal(scale=2, size=2000)))  # one in eight is ten times the median

    def test_a_loss_that_creeps_up_is_measured_against_its_best(self) -> None:
        guard = DivergenceGuard()
        with pytest.raises(TrainingDivergedError):
            feed(guard, [1.002**step for step in range(3000)])

    @pytest.mark.parametrize(("loss", "norm"), [(np.nan, 1.0), (np.inf, 1.0), (1.0, np.nan)])
    def test_what_is_not_finite_ends_it_at_once(self, loss: float, norm: float) -> None:
        with pytest.raises(TrainingDivergedError, match=r"the (loss|gradient) is (nan|inf)"):
            DivergenceGuard().check(7, loss, norm)

    def test_weights_are_left_as_they_were(self) -> None:
        trainer = Trainer(SPEC, salts(), [])
        next(trainer.run())
        with torch.no_grad():
            trainer.potential.readout.linear.weight.mul_(1e38)
        before = [parameter.detach().clone() for parameter in trainer.potential.parameters()]
        with pytest.raises(TrainingDivergedError):
            next(trainer.run())
        after = [parameter.detach() for parameter in trainer.potential.parameters()]
        assert all(torch.equal(*pair) for pair in zip(before, after, strict=True))

    def test_the_folder_keeps_the_last_good_state_and_the_way_out_works(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A learning rate that jumps after twenty epochs: what stays is from before."""
        wild = replace(SPEC, n_epochs=100)
        with monkeypatch.context() as patched:
            patched.setattr(Trainer, "learning_rate", lambda self: 1e-3 if self.n_steps < 160 else 30.0)
            with pytest.raises(TrainingDivergedError, match="--learning-rate"):
                train(wild, TrainingData(salts() * 4), tmp_path, source="test")
        kept = Trainer(wild, salts() * 4, [])
        load_state(kept, tmp_path / STATE_FILE)
        assert len(kept.records) == 20
        assert kept.records[-1].loss < kept.records[0].loss
        assert not list(tmp_path.glob("small.*"))
        train(replace(SPEC, n_epochs=2), TrainingData(salts() * 4), tmp_path / "again", source="test")

    def test_a_resumed_run_remembers_how_low_the_loss_was(self, tmp_path: Path) -> None:
        trainer = Trainer(SPEC, salts(), [])
        record = next(trainer.run())
        save_state(trainer, tmp_path / STATE_FILE)
        resumed = Trainer(SPEC, salts(), [])
        load_state(resumed, tmp_path / STATE_FILE)
        with pytest.raises(TrainingDivergedError):
            feed(resumed.guard, [1.01 * MULTIPLE * record.loss] * PATIENCE)


def moved(index: int, to: object) -> Atoms:
    atoms = bulk("NaCl", "rocksalt", a=5.6, cubic=True)
    atoms.positions[index] = to
    return atoms


SKEWED = make_supercell(bulk("MgO", "rocksalt", a=4.2), [[1, 0, 0], [0, 1, 0], [7, 9, 1]])
FAULTS = {
    "overlap": (moved(1, (0.0, 0.0, 1.0)), "1.00 Å apart"),
    "overlap through a face": (moved(1, (0.0, 5.6, 4.9)), "0.70 Å apart"),
    "one place": (moved(4, (5.6, 0.0, -5.6)), "in one place"),
    "overlap in a molecule": (Atoms("H2", [(0, 0, 0), (0, 0, 0.3)]), "0.30 Å apart"),
    "an atom on its image": (Atoms("Na", cell=[1.1, 6, 6], pbc=True), "1.10 Å apart"),
    "huge cell": (Atoms("Na", cell=[30, 30, 30], pbc=True), "2.7e+04 Å³ per atom"),
    "tiny cell": (Atoms("Na", cell=[0.9, 0.9, 0.9], pbc=True), "0.729 Å³ per atom"),
    "flat cell": (Atoms("Na", cell=[50, 50, 0.05], pbc=True), "flat"),
    "too many atoms": (bulk("Na", "bcc", a=4.2).repeat((7, 6, 5)), "210 atoms"),
    "unknown elements": (bulk("SiC", "zincblende", a=4.3), "no embedding for Si"),
    "nan position": (moved(0, (np.nan, 0, 0)), "not finite"),
    "infinite cell": (Atoms("Na", cell=[np.inf, 5, 5], pbc=True), "not finite"),
    "no atoms": (Atoms(cell=[3, 3, 3], pbc=True), "0 atoms"),
}


class TestScreening:
    @pytest.mark.parametrize("fault", FAULTS)
    def test_each_fault_is_told_by_place_and_reason(self, fault: str) -> None:
        atoms, expected = FAULTS[fault]
        ((index, reason),) = find_bad([*salts(), atoms, SKEWED], SPEC.potential.elements)
        assert index == 4
        assert expected in reason

    def test_places_are_those_of_the_file(self) -> None:
        """Over more structures than are looked at together."""
        structures = [bulk("Na", "bcc", a=4.2)] * 1100
        for index in (3, 511, 512, 1099):
            structures[index] = FAULTS["overlap"][0]
        assert [index for index, _ in find_bad(structures, SPEC.potential.elements)] == [3, 511, 512, 1099]

    def test_refused_with_the_first_few_and_nothing_is_written(self, tmp_path: Path) -> None:
        data = TrainingData([*salts(), *[atoms for atoms, _ in FAULTS.values()]], [FAULTS["one place"][0]])
        with pytest.raises(InputError) as caught:
            train(SPEC, data, tmp_path / "run", source="test")
        assert caught.value.code == "bad_structures"
        message = str(caught.value)
        assert f"{len(FAULTS) + 1} cannot be learned from" in message
        assert "training structure 4: two atoms are 1.00 Å apart" in message
        assert f"and {len(FAULTS) + 1 - 5} more" in message
        assert "--skip-bad" in message
        assert not (tmp_path / "run").exists()

    def test_skipped_when_asked_and_the_model_is_that_of_the_good_ones(self, tmp_path: Path) -> None:
        bad = [atoms for atoms, _ in FAULTS.values()]
        skipped: list[BadStructure] = []
        watch = TrainingWatch(on_skip=skipped.append)
        spec = replace(SPEC, n_epochs=1)
        dirty = TrainingData([bad[0], *salts(), *bad[1:]], [*salts()[:2], bad[0]])
        model = train(spec, dirty, tmp_path / "dirty", source="test", skip_bad=True, watch=watch)
        clean = train(spec, TrainingData(salts(), salts()[:2]), tmp_path / "clean", source="test")
        assert [(item.part, item.index) for item in skipped] == [
            ("training", 0),
            *(("training", 5 + k) for k in range(len(bad) - 1)),
            ("validation", 2),
        ]
        assert model.card.training["data"].pop("n_skipped") == len(bad) + 1
        assert clean.card.training["data"].pop("n_skipped") == 0
        assert model.card == clean.card
        weights = (tmp_path / folder / "small.safetensors" for folder in ("dirty", "clean"))
        assert next(weights).read_bytes() == next(weights).read_bytes()

    def test_nothing_left_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(InputError) as caught:
            train(SPEC, TrainingData([FAULTS["overlap"][0]]), tmp_path, source="test", skip_bad=True)
        assert caught.value.code == "no_structures"

    def test_a_file_gives_even_what_cannot_be_so_that_it_can_be_named(self, tmp_path: Path) -> None:
        frames = [write_structure(atoms, "extxyz") for atoms in salts()]
        frames[1] = frames[1].replace("Mg ", "Xx ", 1)
        words = frames[2].splitlines()
        frames[2] = "\n".join([*words[:-1], "H nan 0.0 0.0", ""])
        path = tmp_path / "salts.extxyz"
        path.write_text("".join(frames))
        found = dict(find_bad(load_files(path), SPEC.potential.elements))
        assert found.keys() == {1, 2}
        assert "no embedding for X" in found[1]
        assert "not finite" in found[2]

    @pytest.mark.data
    def test_nothing_real_is_refused(self, data_folder: Path) -> None:
        for name in ("mp20_val.extxyz.gz", "mpts52_val.extxyz.gz", "qm7b.extxyz.gz"):
            assert list(find_bad(load_files(data_folder / name)[:3000], range(1, 95))) == [], name


class TestRecord:
    def test_the_hash_tells_data_apart_and_nothing_else(self) -> None:
        original = hash_structures(salts())
        again = [atoms.copy() for atoms in salts()]
        again[0].positions += 1e-9
        assert hash_structures(again) == original
        again[0].positions += 1e-4
        others = [again, salts()[::-1], salts()[:3], [*salts()[:3], bulk("Na", "hcp", a=3.2, c=5.2)]]
        assert len({original, *map(hash_structures, others)}) == 5

    def test_curves_are_thinned_to_the_ends(self, tmp_path: Path) -> None:
        record = next(Trainer(SPEC, salts(), []).run())
        records = [replace(record, epoch=epoch, loss=1 / epoch) for epoch in range(1, 301)]
        curves = summarize_curves(records)
        assert (curves["epoch"][0], curves["epoch"][-1], len(curves["epoch"])) == (1, 300, 50)
        assert curves["loss"][-1] == pytest.approx(1 / 300, rel=1e-4)
        assert curves["validation_loss"] == [None] * 50
        assert summarize_curves(records[:1])["epoch"] == [1]

    def test_the_card_holds_data_and_curves(self, tmp_path: Path) -> None:
        card = train(SPEC, TrainingData(salts(), salts()[:1]), tmp_path, source="test").card
        stored = json.loads((tmp_path / "small.json").read_text())["training"]
        assert stored == json.loads(card.to_json())["training"]
        assert stored["data"]["training"] == {"n_structures": 4, "sha256": hash_structures(salts())}
        assert stored["data"]["validation"]["n_structures"] == 1
        assert stored["curves"]["epoch"] == [1, 2, 3, 4, 5, 6]
        assert stored["curves"]["loss"] == pytest.approx([r.loss for r in read_log(tmp_path)], rel=1e-4)


def script(body: str, folder: Path) -> list[str]:
    """A training run in a process of its own."""
    code = f"""
        import resource, signal, sys
        from pathlib import Path
        from test_training_robustness import SPEC, salts
        from rm_engine.training import TrainingData, TrainingWatch, train
        folder = Path({str(folder)!r})
        watch = TrainingWatch()
        {body}
        train(SPEC, TrainingData(salts(), salts()[:2]), folder, source="test", watch=watch)
    """
    return [sys.executable, "-c", textwrap.dedent(code)]


def environment() -> dict[str, str]:
    here = Path(__file__).resolve()
    return {**clean_environment(), "PYTHONPATH": f"{here.parents[2]}:{here.parents[1]}:{here.parent}"}


def wait_until(is_true: Callable[[], bool], process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 60
    while not is_true():
        assert process.poll() is None, "the process ended too early"
        assert time.monotonic() < deadline
        time.sleep(0.01)


FILES = ("log.jsonl", "small.json", "small.safetensors")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that nothing happened to."""
    folder = tmp_path_factory.mktemp("whole")
    subprocess.run(script("", folder), env=environment(), check=True)
    return folder


class TestProcesses:
    def test_killed_runs_end_on_the_same_curve_bit_for_bit(self, whole: Path, tmp_path: Path) -> None:
        """Killed with SIGKILL twice, once between epochs and once within one."""
        log = tmp_path / "log.jsonl"
        slow = "import time; watch = TrainingWatch(on_step=lambda *_: time.sleep(0.05))"
        for n_epochs in (1, 3):
            process = subprocess.Popen(script(slow, tmp_path), env=environment())
            try:
                wait_until(lambda: log.exists() and len(log.read_text().splitlines()) >= n_epochs, process)  # noqa: B023
            finally:
                process.kill()
            assert process.wait() == -signal.SIGKILL
            assert n_epochs <= len(read_log(tmp_path)) < SPEC.n_epochs
        subprocess.run(script("", tmp_path), env=environment(), check=True)
        for name in FILES:
            assert (tmp_path / name).read_bytes() == (whole / name).read_bytes(), name

    def test_a_full_disk_leaves_the_last_good_state(self, whole: Path, tmp_path: Path) -> None:
        """Files may not grow beyond 2 kB after the second epoch: the write fails half way, as on a full disk."""
        fill = """
        def fill(record):
            if record.epoch == 2:
                resource.setrlimit(resource.RLIMIT_FSIZE, (2048, 2048))
        watch = TrainingWatch(on_epoch=fill)
        """
        ended = subprocess.run(
            script(textwrap.dedent(fill).replace("\n", "\n        "), tmp_path),
            env=environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        assert ended.returncode == 1
        assert "File too large" in ended.stderr
        kept = Trainer(SPEC, salts(), salts()[:2])
        load_state(kept, tmp_path / STATE_FILE)
        assert [record.epoch for record in kept.records] == [1, 2]
        assert not (tmp_path / "small.json").exists()
        subprocess.run(script("", tmp_path), env=environment(), check=True)
        for name in FILES:
            assert (tmp_path / name).read_bytes() == (whole / name).read_bytes(), name
