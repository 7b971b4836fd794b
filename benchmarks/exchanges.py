"""Which element is where: a crystal with its elements scrambled, put in order by exchanges and by relaxations alone."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
from ase import Atoms

from benchmarks.report import Row, show
from benchmarks.subjects import load
from benchmarks.timing import use_one_core
from rm_engine.checkpoint import Model
from rm_engine.search import relax_starts
from rm_engine.search.moves import exchange
from rm_engine.search.walk import Relaxed, walk
from rm_engine.spec import GenerationSpec

_SPEC: Final = GenerationSpec(composition="K4Na2Al2F12", formula_units=(1,), model="mp20", max_steps=300)
_IN_ORDER: Final = 0.002
"""Pseudo energy per atom up to which a structure is taken for the ordered one; the next order is 0.007 higher."""
_SHAKE: Final = 0.05


def run(n_structures: int = 24, n_rounds: int = 100) -> Iterator[Row]:
    """Scramble two cells of the elpasolite K2NaAlF6; exchange atoms, then scramble and relax for as many force calls.

    Args:
        n_structures: scrambled structures whose atoms are exchanged.
        n_rounds: exchanges of each.
    """
    use_one_core()
    model = load("mp20")
    ordered = make_elpasolite().repeat((2, 1, 1))
    (reference,) = relax_all(model, [ordered])
    limit = (reference.energy if reference else math.inf) + _IN_ORDER * len(ordered)
    began = time.perf_counter()
    begun = [end for end in relax_all(model, [scramble(ordered, k) for k in range(n_structures)]) if end]
    generators = [np.random.default_rng((1, k)) for k in range(len(begun))]
    exchanged = walk(begun, [exchange] * n_rounds, generators, lambda structures: relax_all(model, structures))
    n_calls = sum(end.n_steps for end in exchanged)
    yield _tell("exchanges", exchanged, limit, n_calls, time.perf_counter() - began)
    began, plain, seed = time.perf_counter(), list[Relaxed](), n_structures
    while sum(end.n_steps for end in plain) < n_calls:
        plain += [end for end in relax_all(model, [scramble(ordered, seed + k) for k in range(64)]) if end]
        seed += 64
    n_calls = sum(end.n_steps for end in plain)
    yield _tell("plain relaxations of other scrambles", plain, limit, n_calls, time.perf_counter() - began)


def make_elpasolite() -> Atoms:
    """The primitive cell of K2NaAlF6 (Fm-3m, a = 8.12 Å, x = 0.217)."""
    x = 0.217
    octahedron = [tuple(np.roll((u, -u, -u), turn)) for turn in range(3) for u in (x, -x)]
    sites = [(0.25, 0.25, 0.25), (0.75, 0.75, 0.75), (0.5, 0.5, 0.5), (0.0, 0.0, 0.0), *octahedron]
    cell = 4.06 * (np.ones((3, 3)) - np.eye(3))
    return Atoms("K2NaAlF6", scaled_positions=sites, cell=cell, pbc=True)


def scramble(atoms: Atoms, seed: int) -> Atoms:
    """The same sites, shaken by 0.05 Å, the elements anywhere on them."""
    rng = np.random.default_rng((0, seed))
    scrambled: Atoms = atoms.copy()
    scrambled.numbers = rng.permutation(atoms.numbers)
    scrambled.positions += _SHAKE * rng.standard_normal((len(atoms), 3))
    return scrambled


def relax_all(model: Model, structures: Sequence[Atoms]) -> list[Relaxed | None]:
    """Where each ends; None where it is set aside."""
    result = relax_starts(model, _SPEC, structures)
    columns = (column.tolist() for column in (result.energies, result.converged, result.n_steps))
    ends = zip(result.structures.to_atoms(), *columns, result.reasons, strict=True)
    return [None if reason else Relaxed(*end) for *end, reason in ends]


def _tell(name: str, ends: Sequence[Relaxed], limit: float, n_calls: int, seconds: float) -> Row:
    n_found = sum(end.energy < limit for end in ends)
    note = f"{n_found} of {len(ends)} in order after {n_calls:,} force calls and {show(seconds)} s of one core"
    calls = n_calls / n_found if n_found else math.inf
    return Row(f"K4Na2Al2F12, {name}", calls, None, "force calls a find", at_least=False, note=note)
