"""The service as it is run for a group: API, workers and sweeper as processes of their own, and what they take."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.timing import resident_megabytes
from service.domain import Scope
from service.domain.keys import KeyRequest
from service.jobs import create_key
from service.security import are_keys_on, load_secret
from service.settings import Settings
from service.store import Store
from tests.processes import Running, run_rmatch
from tests.servers import HOST, free_port, wait_until

_QUICK_TO_STOP: Final = {"drain_seconds": 0, "soft_shutdown_seconds": 0}
_TICKS: Final = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Deployment:
    """Running processes on one database and one broker.

    Attributes:
        port: of the API.
        api: the API.
        workers: the workers.
    """

    port: int
    api: Running
    workers: tuple[Running, ...]

    def api_megabytes(self) -> float:
        """Memory that the API holds."""
        return resident_megabytes(self.api.process.pid)

    def cpu_seconds(self) -> dict[str, float]:
        """What API, workers and the whole machine have computed so far, in seconds of one core."""
        workers = sum(_session_seconds(worker.process.pid) for worker in self.workers)
        return {"API": _session_seconds(self.api.process.pid), "workers": workers, "machine": _machine_seconds()}


@contextmanager
def deploy(settings: Settings, n_workers: int) -> Iterator[Deployment]:
    """Run the service on a free port while the context lasts."""
    port = free_port()
    with ExitStack() as stack:
        environment = as_environment(settings.model_copy(update=_QUICK_TO_STOP))
        api = stack.enter_context(run_rmatch("api", "--port", str(port), environment=environment))
        wait_until(lambda: is_open(port) or not api.is_alive(), "the API answers")
        workers = tuple(stack.enter_context(run_rmatch("worker", environment=environment)) for _ in range(n_workers))
        if n_workers:
            stack.enter_context(run_rmatch("sweep", environment=environment))
        yield Deployment(port, api, workers)


def make_headers(store: Store, settings: Settings) -> Mapping[str, str]:
    """What a request has to say to be answered: a key that may do everything, where one is asked for."""
    if not are_keys_on(settings):
        return {}
    key, _ = create_key(store, load_secret(settings), KeyRequest(name="benchmark", scopes=frozenset(Scope)))
    return {"Authorization": f"Bearer {key.text}"}


def as_environment(settings: Settings) -> Mapping[str, str]:
    """The environment that gives a process these settings."""
    changed = settings.model_dump(mode="json", exclude_unset=True)
    return {f"RMATCH_{name.upper()}": str(value) for name, value in changed.items()}


def is_open(port: int) -> bool:
    """Whether somebody listens: the API does when it is ready."""
    with socket.socket() as probe:
        return probe.connect_ex((HOST, port)) == 0


def _session_seconds(session: int) -> float:
    """CPU time of all processes of a session, those that have ended and were waited for included."""
    ticks = 0
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(fields[3]) == session:
            ticks += sum(map(int, fields[11:15]))
    return ticks / _TICKS


def _machine_seconds() -> float:
    user, nice, system, _idle, _wait, *interrupts = Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]
    return sum(map(int, (user, nice, system, *interrupts[:2]))) / _TICKS
