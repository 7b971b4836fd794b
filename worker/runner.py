"""The way of a chunk: claim, run, record; and what becomes of it when that does not work."""

from __future__ import annotations

import socket
from os import getpid
from typing import Final

import structlog

from rm_engine.analysis import Matcher
from rm_engine.errors import RMEngineError
from service.domain import ChunkKind, Claim, StoreUnavailableError
from service.jobs import (
    announce_due_chunks,
    claim_chunk,
    fail_chunk,
    load_hull_systems,
    load_job_structures,
    load_prototypes,
    record_analysis,
    record_generated,
    release_chunk,
)
from service.queue import ChunkQueue
from service.settings import Settings
from service.store import Store
from worker.analysis import find_originals, measure_hulls
from worker.generation import generate_chunk, make_records
from worker.lease import Heartbeat, LeaseLostError, StopRequestedError, is_stopping
from worker.models import LoadedModel, ModelCache
from worker.references import KnownStructures

MAX_ATTEMPTS: Final = 3
"""After so many attempts an unexpected error is taken for a property of the chunk, and fails its job."""

_log = structlog.get_logger(__name__)


class ChunkRunner:
    """Runs chunks in this process, one after the other."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._store = Store(settings.resolved_database_url)
        self._known = KnownStructures(self._store)
        self._queue = ChunkQueue(settings)
        self._models = ModelCache(settings)
        self._name = f"{socket.gethostname()}:{getpid()}"

    def run(self, chunk_id: str) -> None:
        """Run a chunk unless somebody else has it or it is over.

        Raises:
            StoreUnavailableError: the database does not answer; the sweeper announces the chunk again.
        """
        if is_stopping():
            return  # the sweeper tells another worker
        settings = self._settings
        claim = claim_chunk(
            self._store,
            chunk_id,
            self._name,
            settings.lease_seconds,
            max_lost_attempts=settings.max_lost_attempts,
        )
        if claim is None:
            _log.info("chunk_not_to_be_had", chunk=chunk_id)
            return
        self._run_claimed(claim)
        # What this chunk made due: the analysis of its job, or the chunk itself where it broke.
        if not is_stopping():
            announce_due_chunks(self._store, self._queue.announce, settings.reannounce_seconds, job_id=claim.job_id)

    def close(self) -> None:
        """Close the connections."""
        self._queue.close()
        self._store.close()

    def _run_claimed(self, claim: Claim) -> None:
        log = _log.bind(chunk=claim.chunk_id, kind=claim.kind.value, attempt=claim.attempt)
        log.info("chunk_started")
        try:
            with Heartbeat(self._store, claim, self._settings.lease_seconds) as heartbeat:
                is_recorded = self._work(claim, heartbeat)
            log.info("chunk_finished", recorded=is_recorded)
        except LeaseLostError as error:
            log.info("chunk_left", reason=str(error))
        except StopRequestedError as error:
            log.info("chunk_given_back", reason=str(error))
            release_chunk(self._store, claim)
        except StoreUnavailableError:
            raise
        except RMEngineError as error:
            # Raised on purpose, and the same for every attempt: no such model, a checkpoint that cannot be used.
            log.warning("chunk_failed", reason=str(error))
            fail_chunk(self._store, claim, str(error))
        except Exception as error:  # process boundary: a defect must not take other chunks along
            log.exception("chunk_broke")
            self._give_back(claim, error)

    def _work(self, claim: Claim, heartbeat: Heartbeat) -> bool:
        """Run the chunk and record the result; False when the claim no longer held."""
        loaded = self._models.load(claim.spec.model)
        if claim.kind is ChunkKind.GENERATE:
            return self._generate(claim, loaded, heartbeat)
        return self._analyse(claim, loaded, heartbeat)

    def _generate(self, claim: Claim, loaded: LoadedModel, heartbeat: Heartbeat) -> bool:
        prototypes = load_prototypes(self._store, claim) if claim.spec.start_mix.references > 0 else []
        result = generate_chunk(claim, loaded.model, prototypes, heartbeat.beat)
        matcher = self._known.find_matcher(claim.spec.formula.reduced, claim.group) if claim.spec.match else Matcher([])
        records, failures = make_records(result, loaded.fingerprint, matcher, heartbeat.check)
        return record_generated(self._store, claim, records, failures)

    def _analyse(self, claim: Claim, loaded: LoadedModel, heartbeat: Heartbeat) -> bool:
        originals = find_originals(load_job_structures(self._store, claim))
        heartbeat.check()
        systems = load_hull_systems(self._store, claim, loaded.fingerprint)
        hull = measure_hulls(systems, loaded.model.card.reference_energies)
        return record_analysis(self._store, claim, originals, hull, loaded.fingerprint)

    def _give_back(self, claim: Claim, error: Exception) -> None:
        cause = f"{type(error).__name__}: {error}"[:500]
        if claim.attempt >= MAX_ATTEMPTS:
            fail_chunk(
                self._store, claim, f"Samples {claim.start} to {claim.stop - 1} broke {claim.attempt} times: {cause}"
            )
        else:
            release_chunk(self._store, claim)
