"""One batch against one by one: 30 starts of LiS2 with 12 atoms each, relaxed with a free cell on one core."""

from __future__ import annotations

import time
from collections.abc import Iterator

import numpy as np
import torch
from ase import Atoms
from ase.filters import UnitCellFilter
from ase.optimize import FIRE

from benchmarks.report import Row
from rm_engine import GenerationSpec, load_model
from rm_engine.checkpoint import Model
from rm_engine.relax import RelaxationConfig, relax
from rm_engine.search import draw_start
from rm_engine.structure import StructureBatch

_N_STARTS = 30
_N_SERIAL = 6
_CONFIG = RelaxationConfig(fmax=0.01, max_steps=2000)


def run() -> Iterator[Row]:
    """Time both in turn, so that a machine that slows down slows both."""
    torch.set_num_threads(1)
    model = load_model("mp20", device="cpu")
    spec = GenerationSpec(composition="LiS2", n=_N_STARTS, formula_units=(4,))
    starts = [draw_start(spec, model.card, sample) for sample in range(_N_STARTS)]
    relax(model.potential, StructureBatch.from_atoms(starts[:2]), _CONFIG)  # warm up
    rounds = [(_relax_serially(model, atoms), _relax_batch(model, starts)) for atoms in starts[:_N_SERIAL]]
    serial, batch = (sorted(times) for times in zip(*rounds, strict=True))
    median = float(np.median(batch))
    ratio = float(np.mean(serial)) * _N_STARTS / median
    yield Row(
        name="LiS2, 30 x 12 atoms: one batch against ASE's FIRE one by one with our calculator",
        value=ratio,
        goal=10,
        unit="times faster",
        at_least=True,
        note=f"batch: median {median:.2f} s of {_N_SERIAL} ({batch[0]:.2f} to {batch[-1]:.2f}); "
        f"ASE: {_N_SERIAL} of the same starts, "
        f"{np.mean(serial):.2f} s each ({min(serial):.2f} to {max(serial):.2f}), scaled to {_N_STARTS}",
    )


def _relax_batch(model: Model, starts: list[Atoms]) -> float:
    """Seconds for all starts together."""
    begin = time.perf_counter()
    relax(model.potential, StructureBatch.from_atoms(starts), _CONFIG)
    return time.perf_counter() - begin


def _relax_serially(model: Model, start: Atoms) -> float:
    """Seconds for one start with ASE."""
    atoms = start.copy()
    atoms.calc = model.get_calculator()
    begin = time.perf_counter()
    FIRE(UnitCellFilter(atoms), logfile=None).run(fmax=_CONFIG.fmax, steps=_CONFIG.max_steps)
    return time.perf_counter() - begin
