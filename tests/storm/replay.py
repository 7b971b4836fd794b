"""What a job of a storm gives where nothing disturbs it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import zip_longest
from typing import Any, Final

import psycopg
from storm.checker import Rule, Violation

from rm_engine.checkpoint import load_model
from rm_engine.files import to_json
from rm_engine.search import GeneratedStructure, generate_samples
from rm_engine.spec import GenerationSpec

_load = cache(load_model)
_STRUCTURES: Final = """
    SELECT sample, pseudo_energy_per_atom, n_steps, start, space_group_number, atoms
    FROM structures JOIN structure_atoms ON structure_id = id WHERE job_id = %s ORDER BY sample
"""


def find_different(database_url: str, job_ids: Sequence[str]) -> Iterator[Violation]:
    """Run jobs again, in this process, and compare what was recorded of them bit by bit."""
    with psycopg.connect(database_url) as connection:
        for job_id in job_ids:
            spec = connection.execute("SELECT spec FROM jobs WHERE id = %s", [job_id]).fetchone()
            expected = _run(GenerationSpec.from_json(*spec or ()))
            recorded = connection.execute(_STRUCTURES, [job_id]).fetchall()
            for got, wanted in zip_longest(recorded, expected):
                if got != wanted:
                    yield Violation(Rule.DIFFERENT, job_id, f"{str(got)[:80]}, not {str(wanted)[:80]}")


def _run(spec: GenerationSpec) -> list[tuple[Any, ...]]:
    """The rows of an undisturbed run."""
    return sorted(_row(item) for item in generate_samples(_load(spec.model), spec, range(spec.n)).structures)


def _row(item: GeneratedStructure) -> tuple[Any, ...]:
    space_group = None if item.space_group is None else item.space_group.number
    atoms = json.loads(json.dumps(to_json(item.atoms)))
    return item.sample, item.pseudo_energy_per_atom, item.n_steps, item.start, space_group, atoms
