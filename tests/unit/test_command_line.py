"""The command line: fast, clear about errors, the same structures for the same seed."""

from __future__ import annotations

import json
import subprocess
import sys
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
from ase.build import bulk, graphene
from processes import clean_environment
from rich.console import Console
from typer.testing import CliRunner

from rm_engine.files import read_structures, write_structure
from rm_engine.search import GeneratedStructure
from rm_engine.spec import find_model, read_card
from rmatch.live import show_table
from rmatch.main import app, main

SALTS = {"NaCl": 5.64, "LiF": 4.03, "MgO": 4.21}
DIAMOND = ["generate", "C", "-n", "2", "--model", "diamond", "--formula-units", "2"]


@pytest.fixture(autouse=True)
def _data_dir(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("RMATCH_DATA_DIR", str(tmp_path))


def run(*arguments: str) -> str:
    """Standard output of a command that succeeds."""
    result = CliRunner().invoke(app, list(arguments), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def fail(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """What a command that fails says, in the one line that users see."""
    monkeypatch.setattr(sys, "argv", ["rmatch", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    message = capsys.readouterr().err
    assert message.startswith("Error: ")
    assert message.count("\n") == 1
    return message


def test_help_loads_none_of_the_heavy_packages() -> None:
    code = (
        "import sys; from rmatch.main import app; app(['--help'], standalone_mode=False);"
        "print(sorted({'torch', 'celery', 'sqlalchemy', 'fastapi', 'pymatgen', 'ase', 'httpx'} & sys.modules.keys()))"
    )
    shown = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=clean_environment(), check=True
    )
    assert "generate" in shown.stdout
    assert shown.stdout.splitlines()[-1] == "[]"


def test_the_same_seed_gives_the_same_structures() -> None:
    first, again, other = (run(*DIAMOND, "--json", "--seed", seed) for seed in ("1", "1", "2"))
    assert first == again != other
    assert {json.loads(line)["formula"] for line in first.splitlines()} == {"C2"}


def test_structures_are_told_line_by_line_where_no_terminal_is() -> None:
    lines = run(*DIAMOND).splitlines()
    assert [line.split(":")[0] for line in lines[:2]] == ["1/2", "2/2"]
    assert {line.split()[2] for line in lines[:2]} == {"0,", "1,"}
    assert "Energies per atom" in lines[2]


def test_in_a_terminal_the_lowest_come_first_while_others_are_still_sought() -> None:
    console = Console(force_terminal=True, record=True, width=100, file=StringIO())
    card = read_card(find_model("diamond", ()))
    with show_table("C", 3, card, console) as show:
        for sample, energy in enumerate((2.0, 1.0)):
            show(GeneratedStructure(sample, bulk("C"), energy, converged=True, n_steps=7))
    shown = console.export_text()
    assert shown.rindex("1.00000") < shown.rindex("2.00000")
    assert "2/3" in shown
    assert "Fd-3m (227)" in shown


def test_json_comes_alone() -> None:
    result = CliRunner().invoke(app, [*DIAMOND, "--json"], catch_exceptions=False)
    assert len([json.loads(line) for line in result.stdout.splitlines()]) == 2
    assert not result.stderr


def test_a_search_loads_no_package_that_it_does_not_need() -> None:
    code = (
        "import sys; from rmatch.main import app; "
        f"app({DIAMOND!r}, standalone_mode=False);"
        "print(sorted({'pymatgen', 'scipy', 'rdkit', 'posebusters', 'matplotlib', 'sqlalchemy'} & sys.modules.keys()))"
    )
    shown = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=clean_environment(), check=True
    )
    assert shown.stdout.splitlines()[-1] == "[]"


def test_a_chemical_system_shows_each_formula_with_its_distance_to_the_hull() -> None:
    system = ["generate", "S-Li", "-n", "12", "--model", "mp20"]
    found = [json.loads(line) for line in run(*system, "--json").splitlines()]
    assert len(found) == 12
    assert len({item["formula"] for item in found}) > 2
    above = [item["energy_above_hull"] for item in found if item["converged"]]
    assert min(above) == 0 < max(above)
    shown = run(*system)
    lines = [line for line in shown[shown.index("Energies per atom") :].splitlines() if "│" in line]
    assert "Li2S" in "".join(lines)
    assert "on the hull" in shown


def test_structures_are_written_as_files(tmp_path: Path) -> None:
    output = tmp_path / "found"
    shown = run(*DIAMOND, "-o", str(output))
    assert "Energies per atom: diamond, pseudo" in shown
    structures = list(read_structures(output))
    assert [stored.atoms.get_chemical_formula() for stored in structures] == ["C2", "C2"]


@pytest.mark.parametrize(("file_format", "suffix"), [("poscar", "vasp"), ("extxyz", "extxyz")])
def test_files_have_the_format_asked_for(tmp_path: Path, file_format: str, suffix: str) -> None:
    run(*DIAMOND, "-o", str(tmp_path), "--format", file_format)
    found = sorted(tmp_path.glob(f"*.{suffix}"))
    assert len(found) == 2
    assert [next(iter(read_structures(path))).atoms.get_chemical_formula() for path in found] == ["C2", "C2"]


def test_known_structures_can_be_started_from(tmp_path: Path) -> None:
    known = tmp_path / "known.extxyz"
    known.write_text(write_structure(bulk("Si", "diamond", a=5.43), "extxyz"))
    lines = run(*DIAMOND, "--json", "--references", str(known), "--starts", "references").splitlines()
    assert {json.loads(line)["start"] for line in lines} == {"references"}
    assert {json.loads(line)["energy_kind"] for line in lines} == {"pseudo"}


def test_molecules_are_written_with_their_positions_only(tmp_path: Path) -> None:
    run(*DIAMOND, "--molecule", "-o", str(tmp_path))
    (first, *_rest) = sorted(tmp_path.glob("*.extxyz"))
    assert not next(iter(read_structures(first))).atoms.pbc.any()


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["generate", "Xx"], "'Xx' is not an element"),
        (["generate", "Li-S-"], "'' is no symbol of an element"),
        (["generate", "Li-S", "--formula-units", "2"], "Leave it out, or give a formula"),
        (["generate", "C", "--model", "none"], "There is no model 'none'"),
        (["generate", "C", "--model", "diamond", "-n", "0"], "Ask for 1 to 10,000 structures"),
        (["generate", "C", "--starts", "guess=1"], "'guess=1' is no mix of starts. Give shares of references, wyckoff"),
        (["generate", "C", "--starts", "random="], "'random=' is no mix"),
        (["generate", "C", "--space-groups", "Q1"], "there is no such space group"),
        (["generate", "C", "--starts", "random=-1"], "'random=-1' is no mix"),
        (["generate", "LiS2", "--model", "diamond"], "has not learned Li, S"),
        (["generate", "C", "--molecule", "--format", "cif"], "Give --format extxyz"),
        (["generate", "C", "--separation", "C-C=far"], "C-C=far' is no distance of a pair"),
        (["generate", "C", "--target", "band_gap=wide"], "band_gap=wide' is no range of a property"),
        (["generate", "C", "--target", "band_gap=2:1"], "Give [lowest, highest]"),
        (["generate", "C", "--pressure", "9"], "Give 0 to 0.3 pseudo units"),
        (["generate", "C", "--layer", "1", "2"], "only what is partly periodic has a layer"),
        (["generate", "C", "--relax-seed"], "there is no seed structure"),
        (["train", "--recipe", "none", "-o", "x"], "There is no recipe 'none'. Use one of: diamond, mp20"),
        (["train", "--recipe", "mp20", "-o", "x"], "Give --data FOLDER"),
        (["references", "import", "no-such-file.cif"], "no-such-file.cif"),
        (["references", "import", __file__], "test_command_line.py"),
        (["demo", "--picture", "/no/such/folder/hull.png"], "/no/such/folder"),
    ],
)
def test_errors_are_one_line_with_the_way_out(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: list[str], expected: str
) -> None:
    assert expected in fail(monkeypatch, capsys, *arguments)


def test_models_are_listed_with_what_they_know() -> None:
    shown = run("models")
    assert "diamond" in shown
    assert "mp20" in shown


def test_references_are_imported_once(tmp_path: Path) -> None:
    run(*DIAMOND, "-o", str(tmp_path))
    assert "2 structures read" in run("references", "import", str(tmp_path))
    run("references", "import", str(tmp_path))
    assert "known crystals are there" in run("migrate")


def test_a_model_is_trained_and_known_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data, output = tmp_path / "salts.extxyz", tmp_path / "run"
    data.write_text("".join(write_structure(bulk(name, "rocksalt", a=a), "extxyz") for name, a in SALTS.items()))
    options = ["--recipe", "mp20", "--epochs", "1", "--name", "tiny", "--data", str(data), "--output", str(output)]
    assert "epoch    1" in run("train", *options)
    assert "epoch" not in run("train", *options), "what is done is not done again"
    assert (output / "curves.png").stat().st_size > 0
    monkeypatch.setenv("RMATCH_MODELS_DIR", str(output))
    assert "tiny" in run("models")


def test_boundary_conditions_reach_the_search(tmp_path: Path) -> None:
    """What is dense, and what is added to a file of a structure at one side."""
    usual, dense = (
        [json.loads(line) for line in run(*DIAMOND, "--json", *options).splitlines()]
        for options in ([], ["--pressure", "0.2", "--separation", "C-C=1.2"])
    )
    volumes = [np.mean([np.linalg.det(item["atoms"]["cell"]) for item in each]) for each in (usual, dense)]
    assert volumes[1] < 0.9 * volumes[0]
    kept = [json.loads(line) for line in run(*DIAMOND, "--json", "--density", "3.2", "--fixed-volume").splitlines()]
    assert np.linalg.det(kept[0]["atoms"]["cell"]) == pytest.approx(2 * 12.011 * 1.66054 / 3.2, rel=1e-3)
    sheet = graphene(vacuum=6.0)
    sheet.pbc = (True, True, False)
    (tmp_path / "sheet.extxyz").write_text(write_structure(sheet, "extxyz"))
    options = ["--seed-structure", str(tmp_path / "sheet.extxyz"), "--layer", "6", "9", "--json"]
    found = json.loads(run("generate", "C", "-n", "1", "--model", "diamond", *options).splitlines()[0])
    assert found["atoms"]["periodic"] == [True, True, False]
    assert np.allclose(found["atoms"]["positions"][:2], sheet.positions, atol=1e-5)
    assert found["atoms"]["positions"][2][2] > 6
