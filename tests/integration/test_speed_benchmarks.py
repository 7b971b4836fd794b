"""The benchmarks of speed run at tiny sizes, compute what they say, and say what they miss."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from potentials import needs_compiler

from benchmarks import cores, evaluation, gpu, relaxation, scaling, shares, throughput, training
from benchmarks.__main__ import main
from benchmarks.plain import respond_plainly
from benchmarks.report import BEGIN, END, Environment, Row, replace_figures, to_markdown
from benchmarks.subjects import SIZES, draw_mixed
from rm_engine import load_model
from rm_engine.checkpoint import Model
from rm_engine.neighbors import build_neighbor_list
from rm_engine.potential import evaluate
from rm_engine.structure import StructureBatch
from rm_engine.training import RECIPES, Trainer

FAST = Row("fast", 50.0, 40, "structures/s", at_least=True, note="measured", samples=(49.0, 50.0, 51.0))
SLOW = Row("slow", 3.0, 1.5, "s", at_least=False, note="measured")
BESIDE = Row("beside", 7.0, None, "s", at_least=False, note="compared")


@pytest.fixture(scope="module")
def model() -> Model:
    return load_model("mp20", device="cpu")


@pytest.mark.parametrize(
    ("rows", "with_goals"),
    [
        (lambda: evaluation.run(n_structures=2, n_repeats=1, n_rounds=1), 1),
        (lambda: shares.run(n_starts=2, n_rounds=1, max_steps=3), 1),
        (lambda: relaxation.run(n_starts=2, n_rounds=2, max_steps=3), 2),
        (lambda: throughput.run(n_structures=4, n_rounds=1, max_steps=3), 1),
        (lambda: training.run(n_structures=4, n_steps=1, n_rounds=1), 3),
        (lambda: scaling.run(sizes=(16, 32), n_atoms=32, n_steps=2, n_rounds=1, n_in_memory=2), 2),
        (lambda: cores.run(n_parts=2, part_size=1, n_rounds=1, max_steps=2), 1),
    ],
    ids=["evaluation", "shares", "relaxation", "throughput", "training", "scaling", "cores"],
)
def test_runs_at_tiny_sizes(rows: Callable[[], Iterator[Row]], with_goals: int) -> None:
    measured = list(rows())
    assert sum(row.goal is not None for row in measured) >= with_goals
    for row in measured:
        assert math.isfinite(row.value)
        assert row.note
        assert all(math.isfinite(sample) for sample in row.samples)


def test_a_device_is_measured_where_there_is_one() -> None:
    measured = list(gpu.run(n_structures=4, n_rounds=1, max_steps=2, device="cpu"))
    assert [row.unit for row in measured] == ["structures/s", "%"]
    assert all(row.value > 0 for row in measured)
    assert torch.cuda.is_available() or not list(gpu.run())


def test_traffic_is_what_operations_read_and_write() -> None:
    a, b = torch.ones(1000), torch.ones(10, 100)
    with gpu.TrafficCounter() as traffic:
        a + b.flatten()
    assert traffic.n_bytes == 3 * 4000


@needs_compiler
def test_shares_are_shares() -> None:
    for row in shares.run(n_starts=2, n_rounds=1, max_steps=5):
        assert 0 < row.value < 100


def test_a_mixed_draw_has_many_compositions_and_the_sizes_asked_for(model: Model) -> None:
    drawn = draw_mixed(model, 40)
    assert all(len(atoms) in SIZES for atoms in drawn)
    assert len({atoms.get_chemical_formula() for atoms in drawn}) > 30
    assert len({len(atoms) for atoms in drawn}) > 5


def test_the_plain_way_answers_the_same(model: Model) -> None:
    batch = StructureBatch.from_atoms(draw_mixed(model, 5))
    neighbors = build_neighbor_list(batch, model.potential.config.cutoff)
    ours, plain = (
        evaluate(model.potential, batch, neighbors, bare=True),
        respond_plainly(model.potential, batch, neighbors),
    )
    for name in ("energies", "forces", "stresses"):
        torch.testing.assert_close(getattr(ours, name), getattr(plain, name).detach(), atol=1e-4, rtol=1e-4)


def test_the_plain_way_trains_the_same(model: Model) -> None:
    structures = draw_mixed(model, 4)
    trainers = [make(RECIPES["mp20"].spec, structures, ()) for make in (Trainer, training.PlainTrainer)]
    for _ in range(3):
        losses = []
        for trainer in trainers:
            (batch,) = trainer.training_set.batches(32, (0,))
            losses.append(trainer.step(batch)[1])
        assert losses[0] == pytest.approx(losses[1], rel=1e-3)


class TestRow:
    def test_says_whether_it_reaches_its_goal(self) -> None:
        assert FAST.is_reached
        assert "goal >= 40 structures/s: reached" in str(FAST)
        assert "49 to 51, 3 runs" in str(FAST)

    def test_says_by_how_much_it_misses(self) -> None:
        assert SLOW.is_reached is False
        assert "goal <= 1.5 s: MISSED by a factor of 2" in str(SLOW)

    def test_says_nothing_of_a_goal_it_has_not(self) -> None:
        assert BESIDE.is_reached is None
        assert "goal" not in str(BESIDE)

    def test_is_the_median_of_its_samples(self) -> None:
        row = Row.of([1.0, 9.0, 2.0], name="x", goal=None, unit="s", at_least=False, note="n")
        assert (row.value, row.samples) == (2.0, (1.0, 9.0, 2.0))


class TestReport:
    def test_table_names_goal_and_verdict_of_each(self) -> None:
        table = to_markdown(Environment.here(), [FAST, SLOW, BESIDE])
        assert "| 1 | fast | **50 structures/s** (49 to 51, 3 runs) | >= 40 structures/s | reached |" in table
        assert "| 2 | slow | **3 s** | <= 1.5 s | MISSED by a factor of 2 |" in table
        assert "| 3 | beside | **7 s** |  |  |" in table

    def test_replaces_figures_and_leaves_the_prose(self, tmp_path: Path) -> None:
        document = tmp_path / "performance.md"
        document.write_text(f"Before\n{BEGIN}\nold\n{END}\nAfter\n")
        for table in ("new", "newer"):
            replace_figures(document, table)
            assert document.read_text() == f"Before\n{BEGIN}\n{table}\n{END}\nAfter\n"

    def test_refuses_a_document_without_a_place(self, tmp_path: Path) -> None:
        document = tmp_path / "performance.md"
        document.write_text("Only prose")
        with pytest.raises(ValueError, match="no place for figures"):
            replace_figures(document, "new")


class TestCommand:
    @pytest.fixture(autouse=True)
    def _modules(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def breaks() -> Iterator[Row]:
            yield FAST
            raise RuntimeError("no server")

        monkeypatch.setitem(sys.modules, "benchmarks.worker", SimpleNamespace(run=breaks))
        monkeypatch.setitem(sys.modules, "benchmarks.footprint", SimpleNamespace(run=lambda: iter([SLOW])))

    def test_writes_figures_with_their_environment(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["footprint", "--json", str(tmp_path / "figures.json")]) == 0
        assert "0 of 1 goals reached\nslow: MISSED by a factor of 2" in capsys.readouterr().out
        written = json.loads((tmp_path / "figures.json").read_text())
        assert (
            written["rows"][0] | {"name": "slow", "value": 3.0, "verdict": "MISSED by a factor of 2"}
            == written["rows"][0]
        )
        assert written["environment"]["versions"]["torch"] == torch.__version__

    def test_one_that_breaks_is_said_and_stops_no_other(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["worker", "footprint"]) == 1
        said = capsys.readouterr()
        assert "1 of 2 goals reached" in said.out
        assert "worker: BROKEN" in said.out
        assert "no server" in said.err

    def test_refuses_what_is_none(self, capsys: pytest.CaptureFixture[str]) -> None:
        with pytest.raises(SystemExit):
            main(["nothing"])
        assert "invalid choice: 'nothing'" in capsys.readouterr().err
