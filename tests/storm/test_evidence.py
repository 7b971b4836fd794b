"""What the checker is given is what happened: read from a real database, and run again by the real engine."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
from stacks import Stack, open_stack
from storm.checker import Evidence, Rule, check
from storm.faults import FaultKind, draw_faults
from storm.history import Action, History, read_history
from storm.replay import find_different
from storm.snapshot import GROUP, read_snapshot

from rm_engine.spec import GenerationSpec, StartMix
from service.domain import RepeatableRequest
from service.domain.ids import chunk_id_of
from service.jobs import ChunkLimits, submit_job
from service.settings import Settings
from worker.runner import ChunkRunner

SPEC = GenerationSpec(
    composition="C", n=3, formula_units=(2, 8), model="diamond", seed=5, starts=StartMix(random=1), max_steps=300
)


@pytest.fixture
def stack(tmp_path: Path, postgres_url: str) -> Iterator[Stack]:
    with open_stack(Settings(data_dir=tmp_path, database_url=postgres_url)) as stack:
        yield stack


@pytest.fixture
def job(stack: Stack) -> str:
    """A job that a worker has run."""
    request = RepeatableRequest.of("k-1", {}, GROUP)
    job_id = submit_job(stack.store, SPEC, ChunkLimits(max_samples=2), request)
    with closing(ChunkRunner(stack.settings)) as runner:
        for ordinal in range(3):
            runner.run(chunk_id_of(job_id, ordinal))
    return job_id


def test_a_job_that_nothing_disturbed_passes(stack: Stack, job: str, tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    with closing(History(path)) as history:
        asked = history.begin(Action.SUBMIT, key="k-1", seed=SPEC.seed)
        unanswered = history.begin(Action.READ, job=job)
        answered = history.end(asked, status=202, job=job, state="queued")
    assert read_history(path) == [answered, unanswered]
    snapshot = read_snapshot(stack.settings.database_url)
    assert [(row.id, row.seed, row.n) for row in snapshot.jobs] == [(job, SPEC.seed, SPEC.n)]
    assert [chunk.attempt for chunk in snapshot.chunks] == [1, 1, 1]
    assert check(Evidence(read_history(path), snapshot, snapshot.jobs[0].finished_at or 0.0)) == []
    assert list(find_different(stack.settings.database_url, [job])) == []


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE structures SET pseudo_energy_per_atom = pseudo_energy_per_atom + 1e-15 WHERE sample = 1",
        "UPDATE structures SET n_steps = n_steps + 1 WHERE sample = 2",
        "UPDATE structure_atoms SET atoms = jsonb_set(atoms::jsonb, '{positions,0,0}', '0.5') "
        "WHERE structure_id LIKE '%-00000'",
        "UPDATE structures SET sample = 9 WHERE sample = 2",
    ],
)
def test_a_bit_that_differs_is_found(stack: Stack, job: str, change: str) -> None:
    with psycopg.connect(stack.settings.database_url) as connection:
        assert connection.execute(change).rowcount == 1
    found = list(find_different(stack.settings.database_url, [job]))
    assert {(violation.rule, violation.subject) for violation in found} == {(Rule.DIFFERENT, job)}


def test_every_kind_of_fault_comes_up_as_often() -> None:
    drawn = draw_faults(27, random.Random(1))
    assert sorted(drawn) == sorted(list(FaultKind) * 3)
    assert drawn != draw_faults(27, random.Random(2))
