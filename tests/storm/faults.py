"""The nine faults: what each does to the service, and the order in which they come."""

from __future__ import annotations

import random
import signal
import threading
from collections.abc import Callable, Mapping
from enum import StrEnum

from servers import wait_until
from storm.supervisor import LEASE_SECONDS, Role, Supervisor

PAUSE_SECONDS = LEASE_SECONDS + 1.5


class FaultKind(StrEnum):
    """What happens to the service."""

    KILL_WORKER = "kill -9 worker parent"
    KILL_CHILD = "kill -9 worker child"
    KILL_API = "kill -9 API"
    KILL_SWEEPER = "kill -9 sweeper"
    KILL_REDIS = "kill -9 Redis"
    TERMINATE_WORKER = "SIGTERM worker"
    PAUSE_WORKER = "SIGSTOP worker past its lease"
    FLUSH_REDIS = "Redis FLUSHALL"
    CRASH_POSTGRES = "PostgreSQL immediate restart"


def draw_faults(n: int, choice: random.Random) -> list[FaultKind]:
    """``n`` faults: all nine in random order, then all nine in another, and so on."""
    kinds = list(FaultKind)
    rounds = [choice.sample(kinds, len(kinds)) for _ in range(-(-n // len(kinds)))]
    return [kind for order in rounds for kind in order][:n]


def inject(kind: FaultKind, service: Supervisor, choice: random.Random) -> None:
    """Let a fault happen, to a process drawn at random where there are several."""
    _FAULTS[kind](service, choice)


def _kill_worker(service: Supervisor, choice: random.Random) -> None:
    choice.choice(service.workers).send(signal.SIGKILL)


def _kill_child(service: Supervisor, choice: random.Random) -> None:
    def find_children() -> list[tuple[Role, int]]:
        return [(worker, pid) for worker in service.workers if (pid := worker.find_child())]

    wait_until(find_children, "a worker has a child")
    worker, pid = choice.choice(find_children())
    worker.send(signal.SIGKILL, pid)


def _kill_api(service: Supervisor, choice: random.Random) -> None:
    choice.choice(service.apis).send_all(signal.SIGKILL)


def _kill_sweeper(service: Supervisor, _choice: random.Random) -> None:
    service.sweeper.send_all(signal.SIGKILL)


def _kill_redis(service: Supervisor, _choice: random.Random) -> None:
    service.redis.process.kill()


def _terminate_worker(service: Supervisor, choice: random.Random) -> None:
    choice.choice(service.workers).send(signal.SIGTERM)


def _pause_worker(service: Supervisor, choice: random.Random) -> None:
    """Parent and child sleep until their lease is over, and wake up as zombies."""
    worker = choice.choice(service.workers)
    pid = worker.pid
    worker.send_all(signal.SIGSTOP)
    threading.Timer(PAUSE_SECONDS, worker.send_all, (signal.SIGCONT, pid)).start()


def _flush_redis(service: Supervisor, _choice: random.Random) -> None:
    service.redis.flush()


def _crash_postgres(service: Supervisor, _choice: random.Random) -> None:
    service.postgres.crash()


_FAULTS: Mapping[FaultKind, Callable[[Supervisor, random.Random], None]] = {
    FaultKind.KILL_WORKER: _kill_worker,
    FaultKind.KILL_CHILD: _kill_child,
    FaultKind.KILL_API: _kill_api,
    FaultKind.KILL_SWEEPER: _kill_sweeper,
    FaultKind.KILL_REDIS: _kill_redis,
    FaultKind.TERMINATE_WORKER: _terminate_worker,
    FaultKind.PAUSE_WORKER: _pause_worker,
    FaultKind.FLUSH_REDIS: _flush_redis,
    FaultKind.CRASH_POSTGRES: _crash_postgres,
}
