"""The demonstration, with a model and a chemical system that take seconds."""

from __future__ import annotations

from pathlib import Path

import pytest

from rmatch import demo


@pytest.mark.timeout(120)
def test_the_demonstration_ends_with_tables_and_a_picture(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    requests = [{"composition": formula, "n": 4, "model": "diamond", "seed": 0} for formula in ("C", "C2")]
    monkeypatch.setattr(demo, "_REQUESTS", requests)
    monkeypatch.setattr(demo, "_CHEMSYS", "C")
    monkeypatch.setenv("RMATCH_DATABASE_URL", "postgresql://127.0.0.1:1/not-for-demonstrations")
    demo.demo(tmp_path / "hull.png")
    shown = "".join(capsys.readouterr())
    assert "The lowest of 4 structures of C2" in shown
    assert "On the hull of C" in shown
    assert "succeeded" in shown
    assert (tmp_path / "hull.png").read_bytes().startswith(b"\x89PNG")
