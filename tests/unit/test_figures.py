"""The paper's figures: the numbers behind them, and the command that draws them."""

from __future__ import annotations

import json
import re
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from ase.build import bulk
from pymatgen.core import Element
from typer.testing import CliRunner

from rm_engine.analysis import CarbonForm
from rm_engine.checkpoint import Model, load_model
from rm_engine.errors import InputError
from rm_engine.evaluation.binary_hull import BinaryHull, HullEntry, KnownStructure, list_formulas, relax_known
from rm_engine.evaluation.carbon import SIZES, VOLUMES, specify_start, survey_carbon
from rm_engine.evaluation.embedding import find_group, map_elements, measure_kinship
from rm_engine.figures import plot_binary_hull
from rm_engine.figures.elements import find_crowd
from rm_engine.figures.labels import spread_labels
from rm_engine.files import write_structure
from rm_engine.units import SYMBOLS
from rmatch.main import app, main


@pytest.fixture(scope="module")
def mp20() -> Model:
    return load_model("mp20")


@pytest.fixture(scope="module")
def diamond() -> Model:
    return load_model("diamond")


class TestElements:
    def test_groups_are_those_of_the_periodic_table(self) -> None:
        for symbol in SYMBOLS[1:104]:
            element = Element(symbol)
            f_block = "lanthanide" if element.is_lanthanoid else "actinide" if element.is_actinoid else None
            assert find_group(symbol) == (f_block or str(element.group)), symbol

    def test_only_what_was_learned_is_on_the_map(self, mp20: Model) -> None:
        elements = map_elements(mp20)
        assert set(elements.symbols) == set(mp20.card.elements)
        assert "At" not in elements.symbols
        assert elements.vectors.shape == (88, 8)
        np.testing.assert_allclose(elements.vectors.mean(axis=0), 0, atol=1e-9)
        np.testing.assert_allclose(elements.vectors.std(axis=0), 1)

    def test_the_plane_holds_the_most_variance_that_a_plane_can(self, mp20: Model) -> None:
        elements = map_elements(mp20)
        variances = np.linalg.eigvalsh(np.cov(elements.vectors.T, bias=True))[::-1]
        np.testing.assert_allclose(elements.plane.var(axis=0), variances[:2])
        np.testing.assert_allclose(elements.explained, variances[:2] / variances.sum())

    def test_the_scale_of_a_component_means_nothing(self, mp20: Model) -> None:
        """A larger component with smaller weights behind it is the same model, so it must give the same map."""
        changed = replace(mp20, potential=load_model("mp20").potential)
        n = mp20.card.potential.n_embedding
        with torch.no_grad():
            changed.potential.sender[:, 1] *= 3
            for weight in changed.potential.radial_mixing:
                weight[..., n : 2 * n] /= 3  # channels are sender-major
        atoms = bulk("NaCl", "rocksalt", a=5.6)
        energies = []
        for model in (mp20, changed):
            atoms.calc = model.get_calculator()
            energies.append(atoms.get_potential_energy())
        assert energies[0] == pytest.approx(energies[1], abs=1e-5)
        np.testing.assert_allclose(map_elements(changed).plane, map_elements(mp20).plane, atol=1e-5)

    def test_a_model_of_one_element_has_no_map(self, diamond: Model) -> None:
        with pytest.raises(InputError, match="diamond"):
            map_elements(diamond)


class TestKinship:
    def test_clusters_are_recognised(self) -> None:
        groups = [name for name in "abcde" for _ in range(4)]
        points = np.array([[10 * ord(name), k] for name, k in zip(groups, 5 * [0, 1, 2, 3], strict=True)], dtype=float)
        kinship = measure_kinship(points, [*groups])
        assert (kinship.nearest, kinship.among_three) == (1.0, 1.0)
        assert kinship.p_value < 0.001
        assert kinship.nearest_by_chance == pytest.approx(3 / 19)

    def test_chance_is_what_random_points_give(self) -> None:
        rng = np.random.default_rng(1)
        groups = ["a"] * 3 + ["b"] * 6 + ["c"] * 9 + ["alone"]
        found = [measure_kinship(rng.random((19, 3)), groups, n_permutations=1) for _ in range(400)]
        assert found[0].n_elements == 18, "who has no kin cannot be right"
        assert np.mean([k.nearest for k in found]) == pytest.approx(found[0].nearest_by_chance, abs=0.02)
        assert np.mean([k.among_three for k in found]) == pytest.approx(found[0].among_three_by_chance, abs=0.02)

    def test_random_groups_are_not_significant(self) -> None:
        rng = np.random.default_rng(2)
        groups = [str(k) for k in rng.integers(0, 6, 60)]
        values = [measure_kinship(rng.random((60, 4)), groups, n_permutations=200).p_value for _ in range(20)]
        assert 0.2 < np.mean(values) < 0.8


class TestLabels:
    def test_none_overlap_and_none_move_without_need(self) -> None:
        rng = np.random.default_rng(0)
        homes = np.concatenate([rng.normal(scale=12, size=(25, 2)), [[300.0, 300.0]], [[0.0, 0.0]] * 2])
        sizes = np.tile([12.0, 8.0], (len(homes), 1))
        placed = spread_labels(homes, sizes)
        apart = np.abs(placed[:, None] - placed) + 99 * np.eye(len(homes))[..., None]
        assert ((apart >= (11.9, 7.9)).any(axis=2)).all()
        assert np.abs(placed[25] - homes[25]).max() < 0.01
        np.testing.assert_array_equal(placed, spread_labels(homes, sizes))

    def test_the_crowd_is_where_most_are(self) -> None:
        rng = np.random.default_rng(0)
        crowded, lonely = rng.normal(5, 0.05, (30, 2)), rng.uniform(0, 10, (10, 2))
        low, high = find_crowd(np.concatenate([crowded, lonely]))
        assert (low < crowded.min(axis=0)).all()
        assert (high > crowded.max(axis=0)).all()


class TestCarbonSurvey:
    def test_starts_follow_the_protocol(self) -> None:
        specs = [specify_start(k, "diamond", seed=7) for k in range(1000)]
        pairs = {(spec.formula_units, spec.volume_per_atom) for spec in specs}
        assert len(pairs) == 500 == len(SIZES) * len(VOLUMES)
        assert {spec.min_distance for spec in specs} == {0.7}
        assert (VOLUMES[0], VOLUMES[-1]) == (3.8, 5.6)

    def test_every_structure_has_its_volume_and_a_form(self, diamond: Model) -> None:
        done: list[int] = []
        survey = survey_carbon(diamond, 12, on_progress=done.append)
        assert done[-1] == 12
        assert not survey.failures, "cells of twelve atoms converge like any other"
        assert len(survey.points) == 12
        assert {point.n_atoms for point in survey.points} <= set(SIZES)
        assert {point.volume_per_atom for point in survey.points} <= set(VOLUMES[:3])
        assert sum(survey.counts.values()) == len(survey.points)
        for volume, lowest in survey.lowest_by_volume.items():
            rivals = [p.pseudo_energy_per_atom for p in survey.points if p.volume_per_atom == volume]
            assert lowest.pseudo_energy_per_atom == min(rivals)
        energies = [point.pseudo_energy_per_atom for point in survey.lowest.values()]
        assert energies == sorted(energies)
        assert next(iter(survey.lowest)) is CarbonForm.CUBIC_DIAMOND


def entry(
    formula: str, fraction: float, excess: float, *, above: float = 0.1, names: tuple[str, ...] = ()
) -> HullEntry:
    return HullEntry(
        formula, fraction, 4, excess, 1, is_generated=True, known_as=names, excess=excess, above_hull=above
    )


class TestBinaryHull:
    def test_formulas_are_reduced_and_complete(self) -> None:
        formulas = list_formulas(("Li", "S"))
        assert formulas[0] == "Li"
        assert formulas[-1] == "S"
        assert {"Li2S", "LiS", "LiS4", "Li3S2", "Li5S", "LiS5"} < set(formulas)
        assert len(formulas) == len(set(formulas)) == 13

    def test_known_structures_relax_and_the_lowest_of_a_name_counts(self, mp20: Model) -> None:
        lithium = [KnownStructure("Li", bulk("Li", lattice, a=a)) for lattice, a in (("fcc", 4.3), ("bcc", 3.4))]
        salt = bulk("NaCl", "rocksalt", a=5.6)
        done: list[int] = []
        entries = relax_known(mp20, [*lithium, KnownStructure("salt", salt)], "Li", done.append)
        assert [item.known_as for item in entries] == [("Li",), ("salt",)]
        apart = [relax_known(mp20, [item], "Li", done.append)[0].energy_per_atom for item in lithium]
        assert entries[0].energy_per_atom == pytest.approx(min(apart), abs=1e-5)
        assert entries[0].fraction == 1.0
        assert not entries[0].is_generated

    def test_found_are_the_lowest_matches_and_marks_tell_trained_from_not(self) -> None:
        entries = [
            entry("S", 0.0, 0.0, above=0.0),
            entry("LiS", 0.5, -0.2, above=0.05, names=("b",)),
            entry("LiS", 0.5, -0.1, above=0.15, names=("b", "a")),
            entry("Li2S", 2 / 3, -0.4, above=0.0, names=("c",)),
            entry("Li", 1.0, 0.0, above=0.0),
        ]
        hull = BinaryHull(("Li", "S"), entries, 9)
        assert [item.formula for item in hull.stable] == ["S", "Li2S", "Li"]
        assert {name: item.excess for name, item in hull.found.items()} == {"a": -0.1, "b": -0.2, "c": -0.4}
        axes = plot_binary_hull(hull, {"a": False, "b": False, "c": True}, "test").axes[0]
        faces = {marks.get_label(): marks.get_facecolor() for marks in axes.collections}
        (hollow,), (filled,) = ([faces[text] for text in faces if text.startswith(name)] for name in "bc")
        assert np.allclose(hollow[0], 1)
        assert not np.allclose(filled[0][:3], 1)


def run(*arguments: str) -> str:
    result = CliRunner().invoke(app, ["figure", *arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


class TestCommand:
    @pytest.fixture(autouse=True)
    def _data_dir(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.setenv("RMATCH_DATA_DIR", str(tmp_path))

    def test_elements(self, tmp_path: Path) -> None:
        shown = run("3", "-o", str(tmp_path))
        assert "by chance" in shown
        numbers = json.loads((tmp_path / "figure3.json").read_text())
        assert (numbers["figure"], numbers["model"], numbers["seed"]) == (3, "mp20-plus", 0)
        assert "torch" in numbers["programs"]
        assert numbers["kinship"]["all elements, all components"]["p_value"] < 0.01
        assert (tmp_path / "figure3.png").stat().st_size < 120_000
        assert (tmp_path / "figure3.svg").exists()

    def test_carbon(self, tmp_path: Path) -> None:
        shown = run("5", "-n", "10", "-o", str(tmp_path))
        assert "cubic diamond" in shown
        numbers = json.loads((tmp_path / "figure5.json").read_text())
        assert sum(numbers["counts"].values()) == len(numbers["structures"]["form"]) <= 10

    def test_lithium_sulfur_with_known_structures_of_ones_own(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("rm_engine.evaluation.binary_hull.LARGEST_FORMULA", 2)  # Li, LiS and S
        data = tmp_path / "known.extxyz"
        lithium = write_structure(bulk("Li", "bcc", a=3.4), "extxyz").splitlines()
        lithium[1] += ' material_id="mine" mp20_split="train"'
        data.write_text("\n".join(lithium) + "\n")
        shown = run("4", "-n", "1", "--model", "mp20", "--data", str(data), "-o", str(tmp_path))
        assert re.search(r"of 1 known crystals were found", shown)
        numbers = json.loads((tmp_path / "figure4.json").read_text())
        assert numbers["known_structures"] == {"mine": True}
        assert any(item["known_as"] == ["mine"] and not item["is_generated"] for item in numbers["structures"])
        assert "No marks" in run("4", "-n", "1", "--model", "mp20", "-o", str(tmp_path))

    def test_an_unknown_figure_is_refused(self, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
        monkeypatch.setattr(sys, "argv", ["rmatch", "figure", "77"])
        with pytest.raises(SystemExit):
            main()
        assert "There is no figure 77. Use one of: " in capsys.readouterr().err


def test_a_card_is_shown_readably(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("RMATCH_DATA_DIR", str(tmp_path))
    result = CliRunner().invoke(app, ["models", "mp20"], catch_exceptions=False)
    for text in ("88: H He Li", "pseudo", "MP-20", "epochs 75", "seed 0", "force error, held out"):
        assert text in result.stdout
    assert CliRunner().invoke(app, ["models", "none"]).exception is not None
