"""A storm, from its first request to the checker's verdict."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import closing, contextmanager
from pathlib import Path

from storm.checker import Evidence, check
from storm.clients import Client
from storm.faults import FaultKind, draw_faults, inject
from storm.history import History, read_history
from storm.replay import find_different
from storm.report import Injected, Report, make_report
from storm.snapshot import Snapshot, read_snapshot
from storm.supervisor import Supervisor, run_service

N_CLIENTS = 5
FAULT_SECONDS = (2.5, 3.0)
SETTLE_SECONDS = 30.0
MIN_REPLAYED = 8


def run_storm(
    n_faults: int, seed: int, folder: Path, on_fault: Callable[[int, FaultKind], None] = lambda *_: None
) -> Report:
    """Let faults happen to a service at work, and judge what became of the work.

    Args:
        n_faults: how many; nine or more are of every kind.
        seed: of the faults and of what the clients do.
        folder: where the history of the clients and the logs of the processes are kept.
        on_fault: told the number and the kind of each fault.
    """
    path = folder / "history.jsonl"
    with run_service(folder) as service:
        with closing(History(path)) as history, clients_at_work(service, history, seed):
            faults = _inject_all(draw_faults(n_faults, random.Random(seed)), service, random.Random(seed), on_fault)
        snapshot = read_snapshot(service.database_url)
        evidence = Evidence(read_history(path), snapshot, deadline=faults[-1].at + SETTLE_SECONDS)
        replayed = _find_most_disturbed(snapshot)[: max(MIN_REPLAYED, n_faults // 10)]
        violations = [*check(evidence), *find_different(service.database_url, replayed)]
    return make_report(seed, faults, evidence, len(replayed), violations)


@contextmanager
def clients_at_work(service: Supervisor, history: History, seed: int) -> Iterator[None]:
    """Clients submit while the context lasts; at its end they see their jobs through, for 30 s at most."""
    stopping, over = threading.Event(), threading.Event()
    clients = [Client(service, history, seed + k, stopping, over) for k in range(N_CLIENTS)]
    with ThreadPoolExecutor(N_CLIENTS) as pool:
        working = [pool.submit(client.run) for client in clients]
        try:
            yield
        finally:
            stopping.set()
            wait(working, timeout=SETTLE_SECONDS)
            over.set()
    for errands, client in zip(working, clients, strict=True):
        client.close()
        errands.result()


def _inject_all(
    kinds: list[FaultKind], service: Supervisor, choice: random.Random, on_fault: Callable[[int, FaultKind], None]
) -> list[Injected]:
    faults = []
    for number, kind in enumerate(kinds, 1):
        time.sleep(choice.uniform(*FAULT_SECONDS))
        on_fault(number, kind)
        faults.append(Injected(kind, time.time()))
        inject(kind, service, choice)
    return faults


def _find_most_disturbed(snapshot: Snapshot) -> list[str]:
    """The jobs that succeeded, those with the most attempts first."""
    succeeded = {job.id: 0 for job in snapshot.jobs if job.state == "succeeded"}
    for chunk in snapshot.chunks:
        if chunk.job_id in succeeded:
            succeeded[chunk.job_id] += chunk.attempt - 1
    return sorted(succeeded, key=lambda job: (-succeeded[job], job))
