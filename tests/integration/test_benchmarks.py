"""The benchmarks as commands, on a few small structures of our own."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from ase.build import bulk
from processes import clean_environment
from typer.testing import CliRunner

from rm_engine.files import write_structure
from rmatch.main import app

KNOWN = {
    "salt": bulk("NaCl", "rocksalt", a=5.64),
    "caesium": bulk("CsCl", "cesiumchloride", a=4.12),
    "silicon": bulk("Si", "diamond", a=5.43),
}
QUICK = ["-n", "4", "--max-steps", "60"]


def write(path: Path) -> Path:
    frames = []
    for name, atoms in KNOWN.items():
        named = atoms.copy()
        named.info["material_id"] = name
        frames.append(write_structure(named, "extxyz"))
    path.write_text("".join(frames))
    return path


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write(tmp_path / "known.extxyz")


def run(*arguments: object) -> str:
    """Standard output of a benchmark that succeeds."""
    result = CliRunner().invoke(app, ["benchmark", *map(str, arguments)], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def records_of(folder: Path) -> list[dict[str, object]]:
    """Every record, in some order of its own, without what depends on the clock."""
    lines = [json.loads(line)["result"] for line in (folder / "records.jsonl").read_text().splitlines()]
    for line in lines:
        line.pop("cpu_seconds", None)
    return sorted(lines, key=json.dumps)


def test_configurations_are_compared_in_one_run(data: Path, tmp_path: Path) -> None:
    output = tmp_path / "out"
    configurations = ["--config", "mp20:random", "--config", "mp20:wyckoff=1,random=1"]
    shown = run("csp-val", "--data", data, *QUICK, *configurations, "-o", output)
    assert "match@4" in shown
    results = json.loads((output / "results.json").read_text())
    assert results["seeds"] == [0]
    assert results["programs"]["torch"]
    blind, mixed = results["configurations"]
    assert (blind["label"], blind["model"]) == ("mp20:random", "mp20")
    assert {item["target"] for item in blind["targets"]} == set(KNOWN)
    assert all(sum(start.values()) <= 4 for item in mixed["targets"] for start in item["starts"])
    assert mixed["by_start"].keys() == {"wyckoff", "random"}
    scores = blind["scores"]
    assert scores["match"]["low"] <= scores["match"]["value"] <= scores["match"]["high"]
    assert "| mp20:random | 3 |" in (output / "results.md").read_text()
    before = records_of(output)
    run("csp-val", "--data", data, *QUICK, *configurations, "-o", output)
    assert records_of(output) == before, "what is done is not done again"


def test_a_killed_benchmark_goes_on_with_the_same_results(data: Path, tmp_path: Path) -> None:
    seeds = [option for seed in range(8) for option in ("--seed", str(seed))]
    arguments = ["csp-val", "--data", str(data), *QUICK, *seeds, "--config", "mp20:blind"]
    killed = tmp_path / "killed"
    process = subprocess.Popen(
        [sys.executable, "-m", "rmatch", "benchmark", *arguments, "-o", str(killed)],
        env=clean_environment(),
        stdout=subprocess.DEVNULL,
    )
    records, deadline = killed / "records.jsonl", time.monotonic() + 120
    while not (records.exists() and records.stat().st_size) and process.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL, "it was still at work"
    kept = records.read_text().splitlines()[:1]
    run(*arguments, "-o", killed, "--n-workers", 2)
    run(*arguments, "-o", tmp_path / "whole")
    assert records.read_text().splitlines()[:1] == kept
    assert records_of(killed) == records_of(tmp_path / "whole")
    assert len(records_of(killed)) == 24


def test_the_fifteen_compounds_are_searched_with_three_seeds(data: Path, tmp_path: Path) -> None:
    file = write(tmp_path / "csp15.extxyz")
    shown = run("csp15", "--data", tmp_path, *QUICK, "--references", file, "-o", tmp_path / "out")
    assert "Found of 3 with each seed" in shown
    measured, blind, paper = json.loads((tmp_path / "out" / "results.json").read_text())["configurations"]
    assert measured["by_seed"]["found"].keys() == {"0", "1", "2"}
    assert (blind["label"], blind["is_blind"]) == (f"{measured['label']}:blind", True)
    assert paper["label"] == "mp20:random"
    assert paper["by_start"].keys() == {"random"}


def test_known_structures_stay(data: Path, tmp_path: Path) -> None:
    output = tmp_path / "out"
    arguments = ["stay", "--data", data, "--model", "mp20", "--model", "diamond", "-o", output]
    assert "at default tolerances" in run(*arguments)
    mp20, diamond = json.loads((output / "results.json").read_text())["models"]
    assert {item["target"] for item in mp20["targets"] if item["rms"] is not None} == set(KNOWN)
    assert mp20["scores"]["converged"]["value"] == 1
    assert diamond["scores"]["stays"]["value"] == 0
    assert "not learned" in diamond["targets"][0]["reason"]
    before = records_of(output)
    run(*arguments)
    assert records_of(output) == before


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["csp15", "--data", "."], "There is no csp15.extxyz"),
        (["csp-val", "--data", "/no/such/folder"], "There is no /no/such/folder"),
        (["stay", "--data", "."], "There is no mp20_val.extxyz.gz"),
        (["stay", "--data", __file__, "--model", "none"], "There is no model 'none'"),
        (["csp-val", "--data", "{data}", "--config", "none:random"], "There is no model 'none'"),
        (["csp-val", "--data", "{data}", "--config", "mp20:references"], "Give them as --references PATH"),
        (["csp-val", "--data", "{data}", "--config", "mp20:magic"], "There is no start 'magic'"),
        (["csp-val", "--data", "{data}", "--config", "mp20:random=much"], "'much' in 'random=much' is no share"),
        (["csp-val", "--data", "{data}", "--config", "mp20:random=-1"], "it is no share"),
        (["csp-val", "--data", "{data}", "--config", "mp20", "--config", "mp20"], "given twice"),
        (["csp-val", "--data", "{data}", "--references", "/no/such/file"], "There is no /no/such/file"),
        (["csp-val", "--data", "{data}", "--max-atoms", "1"], "Raise max_atoms"),
    ],
)
def test_errors_say_the_way_out(data: Path, arguments: list[str], expected: str) -> None:
    filled = [argument.format(data=data) for argument in arguments]
    result = CliRunner().invoke(app, ["benchmark", *filled])
    assert result.exception is not None
    assert expected in str(result.exception)
