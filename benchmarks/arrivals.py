"""Jobs that arrive in a large chemical system: what it costs to keep the distances to its hull up to date."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing
from typing import Final

import numpy as np

from benchmarks.population import FINGERPRINT, HOT_SYSTEM, draw_counts
from benchmarks.report import Row
from benchmarks.timing import cpu_seconds, wall_seconds
from rm_engine import GenerationSpec
from rm_engine.analysis import hull_energies
from service.domain import PUBLIC_GROUP, GeneratedRecord, GenerationClaim, HullEntry
from service.jobs import (
    claim_chunk,
    list_due_chunks,
    load_hull_systems,
    load_job_structures,
    record_analysis,
    record_generated,
    submit_job,
)
from service.store import Store
from worker.analysis import measure_hulls

_MODEL: Final = "mp20-plus"
_N_SAMPLES: Final = 30
_N_JOBS: Final = 9
_SIX_ELEMENTS: Final = ("Cl", "F", "Li", "O", "P", "S")
_ATOMS: Final = {
    "numbers": [3] * 12,
    "positions": np.zeros((12, 3)).tolist(),
    "cell": np.eye(3).tolist(),
    "periodic": [True] * 3,
}


def time_arrivals(url: str, n_hot: int) -> Iterator[Row]:
    """Jobs of 30 structures in the system of ``n_hot``: some above its hull, some that lower it."""
    rng = np.random.default_rng(1)
    with closing(Store(url)) as store:
        for height, what in ((0.5, "above the hull"), (-0.02, "the lowest below the hull")):
            with store.reading() as tx:
                members = tx.hulls.system(PUBLIC_GROUP, "-".join(HOT_SYSTEM), _MODEL, FINGERPRINT).members
            chosen = [members[k] for k in rng.choice(len(members), _N_JOBS, replace=False)]
            yield Row.of(
                (_time_arrival(store, entry, height) for entry in chosen),
                name=f"30 structures into a system of {n_hot:,} (4 elements), {what}",
                goal=1,
                unit="s",
                at_least=False,
                note=f"store them, bring hull and distances up to date; {len(members):,} compositions are there",
            )


def _time_arrival(store: Store, entry: HullEntry, height: float) -> float:
    """Seconds to store a job of that composition, its lowest so far above the hull, and to update the hull."""
    job_id = submit_job(
        store, GenerationSpec(composition=entry.reduced_formula, n=_N_SAMPLES, model=_MODEL, formula_units=(1,))
    )
    lowest = (entry.hull_energy or 0.0) + height
    records = [
        GeneratedRecord(
            sample=sample,
            atoms=_ATOMS,
            model_fingerprint=FINGERPRINT,
            start="random",
            pseudo_energy_per_atom=lowest + 0.01 * sample,
            formation_energy_per_atom=lowest + 0.01 * sample,
            converged=True,
            n_steps=100,
        )
        for sample in range(_N_SAMPLES)
    ]
    generation = _claim(store, job_id)
    stored = wall_seconds(lambda: record_generated(store, generation, records))
    analysis = _claim(store, job_id)
    originals = {structure.id: None for structure in load_job_structures(store, analysis)}

    def update_hull() -> None:
        hull = measure_hulls(load_hull_systems(store, analysis, FINGERPRINT), dict.fromkeys(HOT_SYSTEM, 0.0))
        record_analysis(store, analysis, originals, hull, FINGERPRINT)

    return stored + wall_seconds(update_hull)


def _claim(store: Store, job_id: str) -> GenerationClaim:
    """The next chunk of the job."""
    (chunk_id,) = list_due_chunks(store, job_id=job_id)
    claim = claim_chunk(store, chunk_id, "benchmark", lease_seconds=600)
    if isinstance(claim, GenerationClaim):
        return claim
    raise RuntimeError(f"{chunk_id} cannot be claimed.")


def time_hull(n_entries: int = 10_000, n_rounds: int = 3) -> Row:
    """The hull of a whole system of six elements, as it is found for the first time."""
    rng = np.random.default_rng(0)
    compositions = [draw_counts(rng, _SIX_ELEMENTS) for _ in range(n_entries)]
    energies = [-0.6 * np.log(len(counts)) + rng.normal(scale=0.2) for counts in compositions]
    references: Mapping[str, float] = dict.fromkeys(_SIX_ELEMENTS, 0.0)
    return Row.of(
        (cpu_seconds(lambda: hull_energies(compositions, energies, references)) for _ in range(n_rounds)),
        name=f"hull of {n_entries:,} entries of six elements",
        goal=None,
        unit="s",
        at_least=False,
        note="CPU time of one core",
    )
