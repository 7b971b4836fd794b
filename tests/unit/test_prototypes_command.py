"""``rmatch prototypes`` on small data."""

from __future__ import annotations

from pathlib import Path

import pytest
from ase.build import bulk
from typer.testing import CliRunner

from rm_engine.files import write_structure
from rm_engine.prototypes import PrototypeTable
from rm_engine.prototypes.table import SHIPPED_TABLE
from rmatch.main import app


def test_prototypes_are_counted_over_a_file(tmp_path: Path) -> None:
    data, output = tmp_path / "known.extxyz", tmp_path / "table.json.gz"
    salts = [bulk(name, "rocksalt", a=a) for name, a in {"NaCl": 5.64, "LiF": 4.03, "MgO": 4.21}.items()]
    data.write_text("".join(write_structure(atoms, "extxyz") for atoms in salts))
    arguments = ["prototypes", "--data", str(data), "-o", str(output), "--source", "three salts"]
    result = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    assert "of 1 patterns, counted over 3 crystals" in " ".join(result.output.split())
    table = PrototypeTable.from_bytes(output.read_bytes())
    assert (table.n_known, table.source) == (3, "three salts")


@pytest.mark.data
@pytest.mark.slow
def test_the_shipped_table_is_what_the_command_makes(tmp_path: Path, data_folder: Path) -> None:
    output = tmp_path / "table.json.gz"
    result = CliRunner().invoke(app, ["prototypes", "--data", str(data_folder), "-o", str(output)])
    assert result.exit_code == 0, result.output
    assert output.read_bytes() == SHIPPED_TABLE.read_bytes()
