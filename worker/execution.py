"""What is done with a chunk: its samples generated, or its job analysed, and the result recorded."""

from __future__ import annotations

import math

from rm_engine.analysis import Matcher
from service.domain import ChunkKind, GenerationClaim, JobClaim, OpinionClaim, TrainingClaim
from service.jobs import (
    load_asked,
    load_hull_systems,
    load_job_structures,
    load_prototypes,
    record_analysis,
    record_generated,
    record_opinions,
)
from service.settings import Settings
from service.store import Store
from worker.analysis import find_originals, measure_hulls
from worker.generation import generate_chunk, make_records
from worker.lease import Heartbeat
from worker.models import LoadedModel, ModelCache
from worker.opinions import ask_about
from worker.outage import wait_out
from worker.references import KnownStructures
from worker.tally import Tally
from worker.training import train_model


class Execution:
    """Executes chunks with the models of this process."""

    def __init__(self, settings: Settings, store: Store, tally: Tally) -> None:
        self._store = store
        self._tally = tally
        self._known = KnownStructures(store)
        self._turn_seconds = settings.chunk_seconds / 2
        self.models = ModelCache(settings, store)

    def run(self, claim: JobClaim, heartbeat: Heartbeat) -> bool:
        """Run a chunk and record the result; False when the claim no longer held.

        Raises:
            StoreUnavailableError: the database did not answer before there was a result; one that is there waits.
            RMEngineError: the chunk cannot be run, by anybody.
            LeaseLostError, StopRequestedError, ChunkTimeoutError: the heartbeat said so.
            TurnOverError: a training has had its turn.
        """
        if isinstance(claim, TrainingClaim):
            base = None if claim.spec.base is None else self.models.load(claim.spec.base, claim.group).model
            return train_model(self._store, claim, base, heartbeat, self._turn_seconds, device=self.models.target)
        if isinstance(claim, OpinionClaim):
            found = ask_about(claim, load_asked(self._store, claim), heartbeat.beat, self._turn_seconds)
            return wait_out(lambda: record_opinions(self._store, claim, *found), math.inf, heartbeat.check)
        loaded = self.models.load(claim.spec.model, claim.group)
        if claim.kind is ChunkKind.GENERATE:
            return self._generate(claim, loaded, heartbeat)
        return wait_out(lambda: self._analyse(claim, loaded, heartbeat), math.inf, heartbeat.check)

    def _generate(self, claim: GenerationClaim, loaded: LoadedModel, heartbeat: Heartbeat) -> bool:
        prototypes = load_prototypes(self._store, claim) if claim.spec.start_mix.references > 0 else []
        result = generate_chunk(claim, loaded.model, prototypes, heartbeat.beat)

        def record() -> bool:
            formulas = {part.formula.reduced for part in claim.spec.parts_within(claim.start, claim.stop)}
            matcher = self._known.find_matcher(formulas, claim.group) if claim.spec.match else Matcher([])
            records, failures = make_records(result, loaded.fingerprint, matcher, heartbeat.check)
            return record_generated(self._store, claim, records, failures)

        is_recorded = wait_out(record, math.inf, heartbeat.check)
        if is_recorded:
            self._tally.count_samples(len(result.structures), len(result.failures))
        return is_recorded

    def _analyse(self, claim: GenerationClaim, loaded: LoadedModel, heartbeat: Heartbeat) -> bool:
        originals = find_originals(load_job_structures(self._store, claim))
        heartbeat.check()
        systems = load_hull_systems(self._store, claim, loaded.fingerprint)
        hull = measure_hulls(systems, loaded.model.card.reference_energies)
        return record_analysis(self._store, claim, originals, hull, loaded.fingerprint)
