"""What all commands have in common: JSON, completion, a line in the documentation."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ase.build import bulk
from processes import clean_environment
from typer.main import get_command
from typer.testing import CliRunner

from rm_engine.files import write_structure
from rmatch.main import app

PROCESSES = {"up", "api", "worker", "sweep"}
"""They run until they are stopped, and print no results."""
DIAMOND = ["-n", "2", "--model", "diamond", "--formula-units", "2"]
DOCUMENT = Path(__file__).parents[2] / "docs" / "command-line.md"


def walk(command: Any, *path: str) -> Iterator[tuple[str, Any]]:
    """Every command that does something, by its words."""
    if not hasattr(command, "commands"):
        yield " ".join(path), command
        return
    for name, part in command.commands.items():
        yield from walk(part, *path, name)


COMMANDS = dict(walk(get_command(app)))


@pytest.fixture(autouse=True)
def _data_dir(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("RMATCH_DATA_DIR", str(tmp_path))


@pytest.fixture
def crystal(tmp_path: Path) -> str:
    """Path of a file with one structure."""
    path = tmp_path / "crystal.extxyz"
    path.write_text(write_structure(bulk("NaCl", "rocksalt", a=5.64), "extxyz"))
    return str(path)


def results(*arguments: str) -> list[Any]:
    """What a command prints with ``--json``, line by line."""
    result = CliRunner().invoke(app, [*arguments, "--json"], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return [json.loads(line) for line in result.stdout.splitlines()]


@pytest.mark.parametrize("name", sorted(COMMANDS.keys() - PROCESSES))
def test_every_command_that_prints_results_prints_them_as_json(name: str) -> None:
    assert "--json" in {text for parameter in COMMANDS[name].params for text in parameter.opts}


def test_results_come_as_json_and_alone(tmp_path: Path, crystal: str) -> None:
    (models,) = results("models")
    (model,) = results("models", "diamond")
    assert model in models
    assert (model["name"], model["energy_kind"]) == ("diamond", "pseudo")
    (done,) = results("references", "import", crystal)
    assert (done["n_new"], done["n_known"], done["is_finished"]) == (1, 0, True)
    assert [item["id"] for item in results("references", "list")[0]] == [done["id"]]
    assert results("migrate")[0]["known_crystals"] > 100
    assert len(results("generate", "C", *DIAMOND)) == 2
    options = ["--recipe", "mp20", "--epochs", "1", "--data", crystal, "--output", str(tmp_path / "run")]
    (trained,) = results("train", *options)
    assert trained["model"] == "mp20"
    assert trained["scores"]["loss"] > 0


def test_keys_come_as_json() -> None:
    (created,) = results("keys", "create", "alice")
    (rotated,) = results("keys", "rotate", created["id"])
    (revoked,) = results("keys", "revoke", rotated["id"])
    (listed,) = results("keys", "list")
    assert {key["id"] for key in listed} == {created["id"], rotated["id"]}
    assert "key" not in revoked
    assert revoked["revoked_at"]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("hu", {"hull"}),
        ("keys r", {"revoke", "rotate"}),
        ("models mp20", {"mp20", "mp20-plus"}),
        ("generate C --model dia", {"diamond"}),
        ("hull Li-S --starts w", {"wyckoff"}),
        ("generate C --space-groups cub", {"cubic"}),
        ("generate C --space-groups cubic,Pnm", {"cubic,Pnma"}),
        ("generate C --format ", {"cif", "poscar", "extxyz", "pymatgen"}),
    ],
)
def test_bash_completes_words(words: str, expected: set[str]) -> None:
    environment = {
        "_RMATCH_COMPLETE": "complete_bash",
        "COMP_WORDS": f"rmatch {words}",
        "COMP_CWORD": str(len(f"{words}x".split())),
    }
    shown = CliRunner().invoke(app, [], prog_name="rmatch", env=environment)
    assert set(shown.stdout.split()) == expected


def test_bash_is_told_how(tmp_path: Path) -> None:
    """The script of `--show-completion`, which looks for a shell around it first, makes bash ask us what to propose."""
    program = Path(sys.executable).with_name("rmatch")
    environment = {**clean_environment(), "PATH": f"{program.parent}:{os.environ['PATH']}"}
    asked = {**environment, "_RMATCH_COMPLETE": "source_bash"}
    script = subprocess.run([program], capture_output=True, text=True, env=asked, check=True).stdout
    ask = 'COMP_WORDS=(rmatch pro); COMP_CWORD=1; _rmatch_completion rmatch; echo "${COMPREPLY[@]}"'
    shown = subprocess.run(
        ["bash", "-c", f"{script}\n{ask}"], capture_output=True, text=True, env=environment, check=True
    )
    assert shown.stdout.split() == ["prototypes"]


def test_the_documentation_names_every_command() -> None:
    rows = re.findall(r"^\| `rmatch ([a-z0-9 -]+)[^`]*` \| (.*) \|$", DOCUMENT.read_text(), flags=re.MULTILINE)
    told = {name.strip(): text for name, text in rows}
    assert told == {name: command.help.split("\n\n")[0].replace("\n", " ") for name, command in COMMANDS.items()}
