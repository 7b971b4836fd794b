"""What a worker adds to the search: claiming, comparing with what is known, storing; on a real PostgreSQL."""

from __future__ import annotations

import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any, Final

import numpy as np
from ase import Atoms
from pymatgen.analysis.structure_matcher import StructureMatcher
from pymatgen.io.ase import AseAtomsAdaptor

from benchmarks.report import Row, show
from benchmarks.timing import clock_around, cpu_seconds, use_one_core, wall_seconds
from rm_engine import GenerationSpec, generate, load_model, search
from rm_engine.analysis import Matcher
from rm_engine.files import read_crystals, to_json
from rm_engine.search import result
from service.domain import PUBLIC_GROUP, JobState, Reference
from service.domain.ids import chunk_id_of
from service.jobs import add_references, seed_known_crystals, submit_job
from service.jobs.references import KNOWN_CRYSTALS
from service.settings import Settings
from service.store import Store
from tests.servers import PostgresServer, run_postgres
from worker import generation, references, runner
from worker.references import KnownStructures
from worker.runner import ChunkRunner

_CRYSTALS: Final = GenerationSpec(composition="LiS2", n=30, formula_units=(4,), model="mp20-plus")
_MOLECULES: Final = GenerationSpec(composition="C4H8N2O", n=30, periodic=(False, False, False), model="qm7b")
_SEARCH: Final = "search"
_STEPS: Final[Mapping[str, Sequence[tuple[Any, str]]]] = {
    _SEARCH: ((search, "generate_samples"),),
    "claim": ((runner, "claim_chunk"),),
    "read prototypes": ((runner, "load_prototypes"),),
    "read references": ((references, "count_references"), (references, "load_references")),
    "symmetry": ((result, "find_space_group"),),
    "match": ((Matcher, "find_matches"),),
    "molecules": ((generation, "examine_molecule"),),
    "store": ((runner, "record_generated"),),
    "read structures": ((runner, "load_job_structures"),),
    "duplicates": ((runner, "find_originals"),),
    "hull": ((runner, "load_hull_systems"), (runner, "measure_hulls")),
    "close": ((runner, "record_analysis"),),
    "announce": ((runner, "announce_due_chunks"),),
}
"""What is timed by itself; the rest is what is left."""


def run(n_rounds: int = 5, n_references: int = 10_000) -> Iterator[Row]:
    """Send jobs through the worker's own code, then match with many references.

    Args:
        n_rounds: jobs of each kind.
        n_references: known structures to match with.
    """
    use_one_core()
    with run_postgres() as server:
        yield _measure_overhead(server, "a crystal", _CRYSTALS, 10, n_rounds)
        yield _measure_overhead(server, "a molecule", _MOLECULES, None, 1)
        structures = _generate(_CRYSTALS.n, seed=1)
        twins, library = _perturb(_generate(120, seed=2), n_references), _draw_library(n_references)
        yield _match(server, "of the same formula", structures, twins)
        yield _match(server, "of many formulas", structures, library)
        yield _match_plainly(structures, twins)


def _measure_overhead(
    server: PostgresServer, name: str, spec: GenerationSpec, goal: float | None, n_rounds: int
) -> Row:
    """Milliseconds for each structure of a job that are not spent in the search."""
    with (
        server.new_database() as url,
        tempfile.TemporaryDirectory() as folder,
        closing(Store(url)) as store,
        closing(ChunkRunner(Settings(data_dir=Path(folder), database_url=url))) as worker,
    ):
        store.migrate()
        seed_known_crystals(store)
        rounds = [_time_job(store, worker, spec) for _ in range(n_rounds + 1)][1:]
    steps = {step: median(times[step] for times in rounds) for step in rounds[0]}
    parts = sorted(((steps[step], step) for step in steps if step != _SEARCH), reverse=True)
    return Row.of(
        (sum(times.values()) - times[_SEARCH] for times in rounds),
        name=f"worker's own overhead for {name} on PostgreSQL",
        goal=goal,
        unit="ms",
        at_least=False,
        note=f"wall-clock; jobs of {spec.n} of {spec.composition}, from the claim to the closed job, after one that "
        f"warms up; beside the search, which takes {show(steps[_SEARCH])} ms; of which "
        + ", ".join(f"{step} {milliseconds:.2f}" for milliseconds, step in parts if milliseconds >= 0.005),
    )


def _time_job(store: Store, worker: ChunkRunner, spec: GenerationSpec) -> dict[str, float]:
    """Milliseconds of each step of a job for one structure."""
    job_id = submit_job(store, spec)
    with ExitStack() as clocks:
        spent: defaultdict[str, list[Callable[[], float]]] = defaultdict(list)
        for step, functions in _STEPS.items():
            for owner, function in functions:
                spent[step].append(clocks.enter_context(clock_around(owner, function, time.perf_counter)))
        total = wall_seconds(lambda: _run_all(store, worker, job_id))
    times = {step: sum(seconds() for seconds in each) for step, each in spent.items()}
    return {step: 1000 * seconds / spec.n for step, seconds in (times | {"rest": total - sum(times.values())}).items()}


def _run_all(store: Store, worker: ChunkRunner, job_id: str) -> None:
    """Run the only chunk of a job, and the analysis."""
    for ordinal in range(2):
        worker.run(chunk_id_of(job_id, ordinal))
    with store.reading() as tx:
        if tx.job_views.get(job_id, PUBLIC_GROUP).state is not JobState.SUCCEEDED:
            raise RuntimeError(f"Job {job_id} has more than one chunk or has failed.")


def _match(server: PostgresServer, name: str, structures: Sequence[Atoms], known: Sequence[Atoms]) -> Row:
    """Seconds to read references, prepare them and match structures with them."""
    with server.new_database() as url, closing(Store(url)) as store:
        store.migrate()
        add_references(store, (Reference(name=str(row), atoms=to_json(atoms)) for row, atoms in enumerate(known)))
        n_matches: list[int] = []

        def match_all(keeper: KnownStructures) -> None:
            matcher = keeper.find_matcher({"LiS2"}, PUBLIC_GROUP)
            n_matches.append(sum(len(matcher.find_matches(atoms)) for atoms in structures))

        keepers = [KnownStructures(store) for _ in range(4)]
        first, *cold = [cpu_seconds(partial(match_all, keeper)) for keeper in keepers]
        warm = cpu_seconds(partial(match_all, keepers[-1]))
    return Row.of(
        cold,
        name=f"matching {len(structures)} structures with {len(known):,} references {name}",
        goal=3,
        unit="s",
        at_least=False,
        note="of one core, beside that of PostgreSQL; references read and reduced to primitive cells in the same time; "
        f"{n_matches[-1]:,} matches; {show(warm)} s when the references are prepared already, as for the later chunks "
        f"of a job; {show(first)} s the first time",
    )


def _match_plainly(structures: Sequence[Atoms], known: Sequence[Atoms], n_pairs: int = 100) -> Row:
    """The same matching by pymatgen, extrapolated from a few pairs."""
    matcher: Any = StructureMatcher(ltol=0.3, stol=0.5, angle_tol=10)
    rng = np.random.default_rng(0)
    rows = zip(*(rng.integers(len(each), size=n_pairs).tolist() for each in (structures, known)), strict=True)
    pairs = [tuple(map(AseAtomsAdaptor.get_structure, (structures[i], known[j]))) for i, j in rows]
    seconds = cpu_seconds(lambda: [matcher.get_rms_dist(*pair) for pair in pairs])
    return Row(
        name=f"the same by pymatgen, {len(known):,} references of the same formula",
        value=seconds / n_pairs * len(structures) * len(known),
        goal=None,
        unit="s",
        at_least=False,
        note=f"StructureMatcher.get_rms_dist, extrapolated from {n_pairs} pairs",
    )


def _generate(n: int, seed: int) -> list[Atoms]:
    found = generate(
        load_model(_CRYSTALS.model, device="cpu"), _CRYSTALS.composition, n, seed, formula_units=_CRYSTALS.formula_units
    )
    return [structure.atoms for structure in found]


def _perturb(structures: Sequence[Atoms], n: int) -> list[Atoms]:
    """Variants of structures in turn: strained by 2 %, their atoms displaced by up to some tenths of an Å."""
    rng = np.random.default_rng(0)
    variants = []
    for row in range(n):
        atoms = structures[row % len(structures)].copy()
        atoms.set_cell(atoms.cell.array @ (np.eye(3) + rng.normal(scale=0.02, size=(3, 3))), scale_atoms=True)
        atoms.positions += rng.normal(scale=rng.uniform(0, 0.2), size=atoms.positions.shape)
        variants.append(atoms)
    return variants


def _draw_library(n: int) -> list[Atoms]:
    """Well-known crystals with other elements and in other sizes."""
    rng = np.random.default_rng(0)
    crystals = [crystal.to_atoms() for crystal in read_crystals(KNOWN_CRYSTALS)]
    library = []
    for row in range(n):
        atoms = crystals[row % len(crystals)].copy()
        elements = np.unique(atoms.numbers)
        others = rng.choice(np.arange(1, 84), size=len(elements), replace=False)
        atoms.numbers = others[np.searchsorted(elements, atoms.numbers)]
        atoms.set_cell(atoms.cell.array * rng.uniform(0.9, 1.1), scale_atoms=True)
        library.append(atoms)
    return library
