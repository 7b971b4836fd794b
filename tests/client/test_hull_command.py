"""``rmatch hull``, here and through the service."""

from __future__ import annotations

import json
import logging
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from rmatch.main import app, main

SMALL = ["-n", "8", "--model", "mp20", "--seed", "1"]


def run(*arguments: str) -> str:
    result = CliRunner().invoke(app, ["hull", "Li-S", *SMALL, *arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def test_a_search_here_draws_its_hull(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("RMATCH_DATA_DIR", str(tmp_path))
    picture = tmp_path / "hull.svg"
    shown = run("-o", str(picture))
    assert "■ element" in shown
    assert "on the hull" in shown
    assert picture.read_text().startswith("<?xml")
    assert not picture.with_suffix(".png").exists()


def test_a_service_is_asked_for_the_same(service_url: str, tmp_path: Path) -> None:
    picture = tmp_path / "hull.png"
    (asked,) = map(json.loads, run("--url", service_url, "-o", str(picture), "--json").splitlines())
    assert (asked["system"], asked["model"], asked["energy_kind"]) == ("Li-S", "mp20", "pseudo")
    assert {row["formula"] for row in asked["structures"]} > {"Li2S"}
    assert min(row["energy_above_hull"] for row in asked["structures"]) == 0
    assert picture.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["LiS2"], "'LiS2' is a formula. Give a chemical system, whose symbols are joined: Li-S."),
        (["Li-Xx"], "'Xx' is not an element"),
        (["Li-S", "-o", "hull.pdf"], "Give --output a name that ends with .png or .svg."),
        (["Li-S", "--url", "localhost"], "'localhost' is no URL of a service. Give one such as http://localhost:8000."),
        (["Li-S", "--url", "SERVICE", "--model", "none"], "There is no model 'none'"),
        (["Li-S", "--url", "SERVICE", "--key-file", "no-such-file"], "no-such-file"),
    ],
)
def test_errors_are_one_line_with_the_way_out(
    service_url: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
    arguments: list[str],
    expected: str,
) -> None:
    caplog.set_level(logging.WARNING, logger="httpx")  # an app of another test may have asked for more
    words = [service_url if word == "SERVICE" else word for word in arguments]
    monkeypatch.setattr(sys, "argv", ["rmatch", "hull", *words])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    message = capsys.readouterr().err
    assert expected in message
    assert message.count("\n") == 1
