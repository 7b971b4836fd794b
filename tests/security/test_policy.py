"""``SECURITY.md`` names controls and tests that are there, for every risk of the list."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\| API(\d+) ([^|]+) \| ([^|]+) \| ([^|]+) \|$", TEXT, re.MULTILINE)


def test_every_risk_has_controls_and_tests() -> None:
    assert [int(number) for number, *_ in ROWS] == list(range(1, 11))
    for number, _, controls, tests in ROWS:
        assert re.findall(r"`(?:service|rm_engine|worker|deploy)/[^`]+`", controls), number
        assert re.findall(r"`tests/[^`]+`", tests), number


def test_every_file_and_test_named_is_there() -> None:
    named = re.findall(r"`([\w/]+\.(?:py|sh))(?:::(\w+))?`|\]\(([\w./]+)\)", TEXT)
    assert len(named) > 40
    for path, function, link in named:
        file = ROOT / (path or link)
        assert file.is_file(), file
        if function:
            defined = {node.name for node in ast.parse(file.read_text()).body if isinstance(node, ast.FunctionDef)}
            assert function in defined, (path, function)
