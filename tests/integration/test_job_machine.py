"""Jobs under any sequence of events: whatever workers do, what was promised holds."""

from __future__ import annotations

import tempfile
from pathlib import Path

from databases import FINGERPRINT, lis2, record
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from service.domain import (
    PUBLIC_GROUP,
    ChunkKind,
    ChunkState,
    Claim,
    FailedSample,
    JobFinishedError,
    JobState,
    Progress,
)
from service.domain.states import CHUNK_TRANSITIONS, JOB_TRANSITIONS, TERMINAL_JOB_STATES
from service.jobs import (
    ChunkLimits,
    cancel_job,
    claim_chunk,
    fail_chunk,
    find_claim,
    list_due_chunks,
    load_job_structures,
    lose_chunk,
    record_analysis,
    record_generated,
    release_chunk,
    renew_lease,
    submit_job,
)
from service.store import Store
from service.store.tables import chunks, jobs

N_SAMPLES = 3
MAX_LOST = 3


class JobMachine(RuleBasedStateMachine):
    """One job of three samples in two chunks, any number of workers, living, dead and back from the dead."""

    claims = Bundle("claims")

    def __init__(self) -> None:
        super().__init__()
        self._folder = tempfile.TemporaryDirectory()
        self.store = Store(f"sqlite:///{Path(self._folder.name) / 'test.sqlite3'}")
        self.store.migrate()
        self.job_id = submit_job(self.store, lis2(N_SAMPLES), ChunkLimits(max_samples=2))
        self.states = self._read()

    def teardown(self) -> None:
        self.store.close()
        self._folder.cleanup()

    @rule(target=claims, chunk=st.integers(0, 2), lease=st.sampled_from([-1.0, 60.0]))
    def claim(self, chunk: int, lease: float) -> Claim | None:
        return claim_chunk(self.store, f"{self.job_id}-c{chunk:05d}", "worker", lease)

    @rule(claim=claims, lease=st.sampled_from([-1.0, 60.0]))
    def renew(self, claim: Claim | None, lease: float) -> None:
        if claim:
            renew_lease(self.store, claim, lease, Progress(n_finished=1))

    @rule(claim=claims, fails=st.booleans())
    def record(self, claim: Claim | None, fails: bool) -> None:
        if claim and claim.kind is ChunkKind.GENERATE:
            samples = range(claim.start, claim.stop)
            records = [] if fails else [record(k) for k in samples]
            failures = [FailedSample(sample=k, reason="exploded") for k in samples] if fails else []
            record_generated(self.store, claim, records, failures)
        elif claim:
            found = load_job_structures(self.store, claim)
            record_analysis(self.store, claim, {s.id: None for s in found}, {}, FINGERPRINT)

    @rule(claim=consumes(claims))
    def release(self, claim: Claim | None) -> None:
        if claim:
            release_chunk(self.store, claim)

    @rule(claim=claims)
    def lose(self, claim: Claim | None) -> None:
        if claim:
            lose_chunk(self.store, claim, "a defect")

    @rule(chunk=st.integers(0, 2))
    def bury(self, chunk: int) -> None:
        """The child died, and its parent says so."""
        claim = find_claim(self.store, f"{self.job_id}-c{chunk:05d}", "worker")
        if claim:
            assert lose_chunk(self.store, claim, "killed")

    @rule(claim=consumes(claims))
    def fail(self, claim: Claim | None) -> None:
        if claim:
            fail_chunk(self.store, claim, "no model")

    @rule()
    def cancel(self) -> None:
        try:
            cancel_job(self.store, self.job_id, PUBLIC_GROUP)
        except JobFinishedError:
            assert self.states[self.job_id] in TERMINAL_JOB_STATES

    @invariant()
    def changes_are_legal(self) -> None:
        before, self.states = self.states, self._read()
        for key, state in self.states.items():
            reachable = {before[key]}
            table = JOB_TRANSITIONS if key == self.job_id else CHUNK_TRANSITIONS
            for _ in range(2):  # a rule may take two steps: open the analysis, or claim and fail
                reachable |= {later for origin in reachable for later in table[origin]}  # type: ignore[index]
            assert state in reachable
            if not table[before[key]]:  # type: ignore[index]
                assert state is before[key]

    @invariant()
    def a_job_is_over_when_its_chunks_are(self) -> None:
        chunk_states = {state for key, state in self.states.items() if key != self.job_id}
        job = self.states[self.job_id]
        is_open = chunk_states & {ChunkState.WAITING, ChunkState.QUEUED, ChunkState.RUNNING}
        assert bool(is_open) == (job not in TERMINAL_JOB_STATES)
        assert (job is JobState.SUCCEEDED) == (chunk_states == {ChunkState.SUCCEEDED})

    @invariant()
    def what_can_go_on_will_be_announced(self) -> None:
        with self.store.reading() as tx:
            n_announced = len(tx.connection.execute(chunks.select().where(chunks.c.due_at.is_not(None))).all())
        states = [state for key, state in self.states.items() if key != self.job_id]
        n_active = sum(state in (ChunkState.QUEUED, ChunkState.RUNNING) for state in states)
        assert n_announced == n_active
        assert n_active or self.states[self.job_id] in TERMINAL_JOB_STATES
        assert set(list_due_chunks(self.store)) <= set(self.states)

    @invariant()
    def an_attempt_is_lost_once_and_three_are_the_end(self) -> None:
        columns = chunks.c["state", "attempt", "lost_attempts", "cause"]
        with self.store.reading() as tx:
            rows = tx.connection.execute(chunks.select().with_only_columns(*columns)).all()
        for row in rows:
            assert row.lost_attempts <= min(row.attempt, MAX_LOST)
            assert (row.cause is not None) == (row.lost_attempts > 0)
            assert row.lost_attempts < MAX_LOST or row.state is ChunkState.FAILED

    @invariant()
    def nothing_stored_is_lost_or_doubled(self) -> None:
        with self.store.reading() as tx:
            view = tx.job_views.get(self.job_id, PUBLIC_GROUP)
        assert view.counts.generated + view.counts.failed <= N_SAMPLES
        if view.state is JobState.SUCCEEDED:
            assert view.counts.generated + view.counts.failed == N_SAMPLES
            assert view.counts.generated == view.counts.unique

    def _read(self) -> dict[str, JobState | ChunkState]:
        with self.store.reading() as tx:
            rows = [
                *tx.connection.execute(jobs.select().with_only_columns(jobs.c.id, jobs.c.state)),
                *tx.connection.execute(chunks.select().with_only_columns(chunks.c.id, chunks.c.state)),
            ]
        return {row.id: row.state for row in rows}


JobMachine.TestCase.settings = settings(max_examples=40, stateful_step_count=20, deadline=None)
TestJobMachine = JobMachine.TestCase
