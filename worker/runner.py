"""The way of a chunk: claim, run, record; and what becomes of it when that does not work."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from importlib.metadata import version
from os import getpid
from typing import Final

import structlog
from structlog.contextvars import bound_contextvars

from rm_engine.errors import RMEngineError
from service.domain import Claim, JobClaim, NameTakenError, StoreUnavailableError
from service.jobs import announce_due_chunks, claim_chunk, fail_chunk, lose_chunk, release_chunk
from service.queue import ChunkQueue
from service.settings import Settings
from service.store import Store
from worker.causes import describe_error
from worker.execution import Execution
from worker.lease import Heartbeat, JobCancelledError, LeaseLostError
from worker.outage import wait_out
from worker.presence import Presence, name_worker
from worker.shutdown import StopRequestedError, check_stop
from worker.tally import Outcome, Tally
from worker.training import TurnOverError

_QUIET: Final = {Outcome.LEFT, Outcome.GIVEN_BACK}

_log = structlog.get_logger(__name__)


class ChunkRunner:
    """Runs chunks in this process, one after the other.

    Attributes:
        presence: tells the others of this process, once it is started.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._store = Store(settings.resolved_database_url)
        self._queue = ChunkQueue(settings)
        self._name = name_worker(getpid())
        self._tally = Tally()
        self._execution = Execution(settings, self._store, self._tally)
        models = self._execution.models
        details = {"version": version("rmatch"), "device": models.device, "threads": settings.worker_threads}
        self.presence = Presence(
            self._store,
            self._name,
            self._tally,
            details,
            models.measure_gpu_memory,
            settings.worker_heartbeat_seconds,
        )

    def run(self, chunk_id: str) -> None:
        """Run a chunk unless somebody else has it or it is over.

        Raises:
            StoreUnavailableError: the database does not answer; the sweeper announces the chunk again.
        """
        try:
            check_stop()
            claim = wait_out(lambda: self._claim(chunk_id), self._settings.lease_seconds, check_stop)
        except StopRequestedError:
            self._queue.announce(chunk_id)  # for another worker
            return
        if claim is None:
            _log.info("chunk_not_to_be_had", chunk=chunk_id)
            return
        told = {"job": claim.job_id, "chunk": chunk_id, "kind": claim.kind.value, "attempt": claim.attempt}
        with bound_contextvars(**told, request_id=claim.request_id), self._tally.running(claim):
            self._tally.count(self._attempt(claim))
        # What this chunk made due: the analysis of its job, or the chunk itself where it was given back or broke.
        announce_due_chunks(self._store, self._queue.announce, self._settings.reannounce_seconds, job_id=claim.job_id)

    def close(self) -> None:
        """Close the connections."""
        self._queue.close()
        self._store.close()

    def _claim(self, chunk_id: str) -> JobClaim | None:
        settings = self._settings
        return claim_chunk(
            self._store, chunk_id, self._name, settings.lease_seconds, max_lost_attempts=settings.max_lost_attempts
        )

    def _attempt(self, claim: JobClaim) -> Outcome:
        """Run a claimed chunk, and leave it recorded, parked, or free for another attempt."""
        _log.info("chunk_started")
        try:
            with Heartbeat(self._store, claim, self._settings) as heartbeat:
                is_recorded = self._execution.run(claim, heartbeat)
        except Exception as error:  # noqa: BLE001  # process boundary: a defect must not take other chunks along
            return self._give_up(claim, error)
        if not is_recorded:
            return _fence("The result came too late.")
        _log.info("chunk_finished")
        return Outcome.RECORDED

    def _give_up(self, claim: Claim, error: Exception) -> Outcome:
        outcome, reason = _judge(error), describe_error(error)
        _log.log(
            logging.INFO if outcome in _QUIET else logging.WARNING,
            f"chunk_{outcome}",
            reason=reason,
            exc_info=error if outcome is Outcome.BROKE else None,
        )
        store, most = self._store, self._settings.max_lost_attempts
        last_words: Mapping[Outcome, Callable[[], bool]] = {
            Outcome.GIVEN_BACK: lambda: release_chunk(store, claim),
            Outcome.FAILED: lambda: fail_chunk(store, claim, reason),
            Outcome.BROKE: lambda: lose_chunk(store, claim, reason, max_lost_attempts=most),
        }
        if outcome in last_words and not wait_out(last_words[outcome], self._settings.lease_seconds):
            return _fence("It was not ours to say what becomes of the chunk.")
        return outcome


def _fence(reason: str) -> Outcome:
    _log.warning("chunk_fenced", reason=reason)
    return Outcome.FENCED


def _judge(error: Exception) -> Outcome:
    """What an error in an attempt means for the chunk."""
    match error:
        case JobCancelledError():
            return Outcome.LEFT
        case LeaseLostError():
            return Outcome.FENCED
        case StopRequestedError() | StoreUnavailableError() | TurnOverError():
            return Outcome.GIVEN_BACK
        case RMEngineError() | NameTakenError():  # on purpose, and the same for every attempt: no such model, say
            return Outcome.FAILED
        case _:
            return Outcome.BROKE
