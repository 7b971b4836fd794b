"""Molecules generated and measured on small budgets."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from ase.build import molecule
from ase.io import write
from typer.testing import CliRunner

import rm_engine
from rm_engine.analysis import find_molecule_flaw
from rm_engine.checkpoint import Model
from rm_engine.errors import InputError
from rm_engine.evaluation.atomization import ENERGY_KEY, compare_energies, correlate
from rm_engine.evaluation.molecules import COLUMNS, MoleculeCampaign, MoleculeGroup, generate_as_paper, score_groups
from rm_engine.files import read_structures
from rm_engine.search import generate_samples
from rm_engine.spec import GenerationSpec, find_model
from rm_engine.spec.generation import MOLECULE
from rmatch.main import app

G2_ENERGIES = {"CH4": -420.0, "C2H6": -712.0, "C3H8": -1006.0, "CH3CH2OH": -810.0, "CH3OH": -512.0, "CH3OCH3": -798.0}
"""kcal/mol, about."""


@pytest.fixture(scope="module")
def qm7b() -> Model:
    return rm_engine.load_model("qm7b", device="cpu")


@pytest.fixture
def small_data(tmp_path: Path) -> Path:
    path = tmp_path / "qm7b.extxyz"
    molecules = [molecule(name) for name in G2_ENERGIES]
    for atoms, energy in zip(molecules, G2_ENERGIES.values(), strict=True):
        atoms.info[ENERGY_KEY] = energy
    write(path, molecules, format="extxyz")
    return path


def test_the_model_is_the_papers(qm7b: Model) -> None:
    assert sum(parameter.numel() for parameter in qm7b.potential.parameters()) == 16_490
    assert qm7b.card.boundary == "molecule"


def test_a_search_gives_molecules_and_not_radicals(qm7b: Model) -> None:
    found = rm_engine.generate(qm7b, "C2H6O", n=3, seed=0, periodic=MOLECULE)
    assert len(found) == 3
    assert [find_molecule_flaw(item.atoms) for item in found] == [None] * 3
    again = rm_engine.generate(qm7b, "C2H6O", n=3, seed=0, periodic=MOLECULE)
    assert all(np.array_equal(a.atoms.positions, b.atoms.positions) for a, b in zip(found, again, strict=True))


def test_what_cannot_be_a_molecule_is_given_as_it_is(qm7b: Model) -> None:
    spec = GenerationSpec(composition="CH3", n=2, periodic=MOLECULE)
    result = generate_samples(qm7b, spec, range(2))
    assert len(result.structures) == 2
    assert find_molecule_flaw(result.structures[0].atoms) is not None


def test_crystals_are_refused(qm7b: Model) -> None:
    with pytest.raises(InputError) as caught:
        rm_engine.generate(qm7b, "CO2", n=1)
    assert caught.value.code == "model_of_molecules"


def test_the_papers_protocol_gives_every_sample(qm7b: Model) -> None:
    spec = GenerationSpec(composition="CH4", n=2, periodic=MOLECULE)
    molecules = generate_as_paper(qm7b, spec)
    assert [str(atoms.symbols) for atoms in molecules] == ["CH4"] * 2
    assert not any(atoms.pbc.any() for atoms in molecules)


def test_a_campaign_is_the_same_from_its_records(qm7b: Model) -> None:
    campaign = MoleculeCampaign(
        model=find_model("qm7b"), compositions=("C2H6",), n_samples=2, known=(molecule("C2H6"), molecule("CH3CH2O"))
    )
    do = campaign.prepare()
    groups = [MoleculeGroup.from_json(json.loads(json.dumps(do(task)))) for task in campaign.tasks]
    known, made = groups
    assert score_groups([known])["all"].value == 1.0  # radicals are not among the checks of the paper
    assert score_groups([known])["no_radicals"].value == 0.5
    assert [record.report.smiles for record in made.records] == ["CC", "CC"]
    assert made.records[0].report.bonds
    failed = MoleculeGroup("search", "C2H6", 0, n_failures=2, cpu_seconds=0.0, records=made.records)
    assert score_groups([failed])["sanitization"].value == 0.5


def test_energies_are_compared_as_they_are(qm7b: Model, small_data: Path) -> None:
    comparison = compare_energies(qm7b, list(read_structures(small_data)))
    assert comparison.formulas[3] == "C2H6O"
    np.testing.assert_allclose(comparison.atomization[0], -420 * 0.0433641, rtol=1e-5)
    assert comparison.correlation is not None
    assert comparison.correlation > 0.9
    assert set(comparison.of_common_compositions()) == {"C2H6O"}
    assert correlate(np.ones(3), np.arange(3.0)) is None


def test_figure_1(small_data: Path, tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["figure", "1", "--data", str(small_data), "-o", str(tmp_path)])
    assert result.exit_code == 0, result.output
    numbers = json.loads((tmp_path / "figure1.json").read_text(encoding="utf-8"))
    assert numbers["n"] == len(G2_ENERGIES)
    assert numbers["r"] > 0.9
    assert (tmp_path / "figure1.png").stat().st_size > 10_000


def test_benchmark_and_figure_2(small_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    arguments = ["--data", str(small_data), "--composition", "C2H6O", "--protocol", "search", "--protocol", "paper"]
    folder = tmp_path / "benchmark"
    result = CliRunner().invoke(app, ["benchmark", "qm7b", *arguments, "-n", "2", "--known", "3", "-o", str(folder)])
    assert result.exit_code == 0, result.output
    rows = json.loads((folder / "results.json").read_text(encoding="utf-8"))["rows"]
    assert [row["row"] for row in rows[:3]] == ["training set", "C2H6O", "C2H6O, paper's protocol"]
    assert [row["n"] for row in rows[:3]] == [3, 2, 2]
    assert set(rows[0]["shares"]) == set(COLUMNS)
    assert rows[1]["shares"]["no_radicals"]["value"] == 1

    monkeypatch.setattr("rm_engine.evaluation.molecules.COMMON_COMPOSITIONS", ("C2H6",))
    monkeypatch.setattr("rm_engine.evaluation.molecules.LARGER_COMPOSITIONS", ("CH4O",))
    result = CliRunner().invoke(app, ["figure", "2", "--data", str(small_data), "-n", "1", "-o", str(tmp_path)])
    assert result.exit_code == 0, result.output
    numbers = json.loads((tmp_path / "figure2.json").read_text(encoding="utf-8"))
    assert numbers["pictured"] == [{"composition": "C2H6", "smiles": "CC"}, {"composition": "CH4O", "smiles": "CO"}]
    assert (tmp_path / "figure2.png").stat().st_size > 10_000
