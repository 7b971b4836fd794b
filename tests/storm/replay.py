"""What a job of a storm gives where nothing disturbs it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import zip_longest

import psycopg

from rm_engine import search
from rm_engine.checkpoint import Model, load_model
from rm_engine.files import to_json
from rm_engine.spec import GenerationSpec
from storm.checker import Rule, Violation

_load = cache(load_model)


def find_different(database_url: str, job_ids: Sequence[str]) -> Iterator[Violation]:
    """Run jobs again, in this process, and compare what was recorded of them bit by bit."""
    with psycopg.connect(database_url) as connection:
        for job_id in job_ids:
            (spec,) = connection.execute("SELECT spec FROM jobs WHERE id = %s", [job_id]).fetchone() or (None,)
            rows = connection.execute(
                "SELECT sample, pseudo_energy_per_atom, n_steps, atoms FROM structures JOIN structure_atoms "
                "ON structure_id = id WHERE job_id = %s ORDER BY sample",
                [job_id],
            )
            expected = _run(GenerationSpec.from_json(spec))
            for got, wanted in zip_longest(rows.fetchall(), expected, fillvalue=None):
                if got != wanted:
                    yield Violation(Rule.DIFFERENT, job_id, f"{str(got)[:80]}, not {str(wanted)[:80]}")


def _run(spec: GenerationSpec) -> list[tuple[object, ...]]:
    """The rows that an undisturbed run gives."""
    model: Model = _load(spec.model)
    found = search.generate_samples(model, spec, range(spec.n)).structures
    return [
        (item.sample, item.pseudo_energy_per_atom, item.n_steps, json.loads(json.dumps(to_json(item.atoms))))
        for item in sorted(found, key=lambda item: item.sample)
    ]
