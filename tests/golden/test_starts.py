"""The starts that a seed stands for, as they were when drawn for the record: whoever repeats a job gets them again.

The same lattice, not the same vectors of it: where two bases are equally short, the last bit of a processor decides.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ase.build import bulk

import rm_engine
from rm_engine.search import Starts
from rm_engine.spec import GenerationSpec

RECORD = json.loads(Path(__file__).with_name("starts.json").read_text())


@pytest.mark.parametrize("run", RECORD, ids=lambda run: run["spec"]["composition"])
def test_the_same_seed_draws_the_same_starts(run: dict[str, Any]) -> None:
    references = [("halite", bulk("NaCl", "rocksalt", a=5.64)), ("fluorite", bulk("CaF2", "fluorite", a=5.46))]
    starts = Starts(GenerationSpec(**run["spec"]), rm_engine.load_model("mp20", device="cpu").card, references)
    for expected in run["starts"]:
        start = starts.draw(expected["sample"], expected["attempt"])
        assert (start.kind, start.origin) == (expected["kind"], expected["origin"])
        assert start.atoms.numbers.tolist() == expected["numbers"]
        if not start.atoms.pbc.any():
            np.testing.assert_allclose(start.atoms.positions, expected["positions"], atol=1e-5)
            continue
        to_cell = np.linalg.inv(start.atoms.cell.array)
        basis = expected["cell"] @ to_cell
        for whole in (basis, (start.atoms.positions - expected["positions"]) @ to_cell):
            np.testing.assert_allclose(whole, whole.round(), atol=1e-5)
        assert abs(round(np.linalg.det(basis))) == 1
