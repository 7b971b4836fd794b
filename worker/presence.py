"""Says every few seconds that this process is there and how it is, also while a chunk keeps it busy."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import structlog

from service.domain import StoreUnavailableError
from service.domain.workers import WorkerReport
from service.jobs import record_worker
from service.store import Store
from worker.tally import Tally

_log = structlog.get_logger(__name__)


def name_worker(pid: int) -> str:
    """What a worker process of this machine is called where it takes chunks."""
    return f"{socket.gethostname()}:{pid}"


class Presence:
    """Records reports of this process in the background; a database that does not answer is waited out."""

    def __init__(
        self,
        store: Store,
        name: str,
        tally: Tally,
        details: Mapping[str, Any],
        gpu_memory_bytes: Callable[[], int | None],
        seconds: float,
    ) -> None:
        """Prepare reports.

        Args:
            store: where they are recorded.
            name: of the process, as in the chunks that it takes.
            tally: what it has done.
            details: what stays as it is: version, device, threads.
            gpu_memory_bytes: what it holds of a GPU's memory; None without one.
            seconds: how often to report.
        """
        self._store = store
        self._name = name
        self._tally = tally
        self._details = details
        self._gpu_memory_bytes = gpu_memory_bytes
        self._seconds = seconds
        self._started_at = datetime.now(UTC)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._keep_reporting, name="presence", daemon=True)

    def start(self) -> None:
        """Report from now on."""
        self._thread.start()

    def stop(self) -> None:
        """Report no more."""
        self._over.set()
        self._thread.join()

    def report(self) -> None:
        """Record how the process is now.

        Raises:
            StoreUnavailableError: the database does not answer.
        """
        record_worker(
            self._store,
            WorkerReport(
                name=self._name,
                started_at=self._started_at,
                seen_at=datetime.now(UTC),
                chunk_id=self._tally.chunk_id,
                details=self._details,
                counters={**self._tally.snapshot(), "gpu_memory_bytes": self._gpu_memory_bytes()},
            ),
        )

    def _keep_reporting(self) -> None:
        is_heard = True
        while True:
            was_heard, is_heard = is_heard, self._try()
            if is_heard != was_heard:
                _log.info("presence_recorded" if is_heard else "presence_not_recorded")
            if self._over.wait(self._seconds):
                return

    def _try(self) -> bool:
        try:
            self.report()
        except StoreUnavailableError:
            return False
        return True
