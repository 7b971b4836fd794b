"""The service on servers of its own, and an orchestrator that starts again whatever ends."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from processes import clean_environment
from servers import HOST, PostgresServer, RedisServer, children_of, free_port, run_postgres, run_redis, wait_until
from storm.snapshot import GROUP

from service.domain.keys import KeyRequest
from service.jobs import create_key
from service.security import load_secret
from service.settings import Settings
from service.store import Store

N_API = 2
N_WORKERS = 3
LEASE_SECONDS = 2.0
_TICK_SECONDS = 0.1
_STOP_SECONDS = 20.0


@dataclass
class Role:
    """A process of the service that is to run, in a session of its own; what it prints goes to a file."""

    command: tuple[str, ...]
    environment: Mapping[str, str]
    log: Path
    n_starts: int = 0
    _processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def pid(self) -> int:
        """Of the process that was started last."""
        return self._processes[-1].pid

    def start(self) -> None:
        """Start it."""
        self.n_starts += 1
        with self.log.open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "rmatch", *self.command],
                env={**clean_environment(), **self.environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._processes.append(process)

    def is_alive(self) -> bool:
        """Whether it runs, or is paused."""
        return self._processes[-1].poll() is None

    def send(self, number: signal.Signals, pid: int | None = None) -> None:
        """Signal the process, or another of its session; nothing happens where it is gone."""
        with suppress(ProcessLookupError):
            os.kill(pid or self.pid, number)

    def send_all(self, number: signal.Signals, pid: int | None = None) -> None:
        """Signal the process and its children, or those of one that was started before."""
        with suppress(ProcessLookupError):
            os.killpg(pid or self.pid, number)

    def find_child(self) -> int | None:
        """The process that runs a worker's chunks; None while there is none."""
        return next((pid for pid, words in children_of(self.pid).items() if "--billiard-fork" in words), None)

    def stop(self) -> None:
        """Ask it to end, and end whatever is left of it and of those before it."""
        process = self._processes[-1]
        self.send_all(signal.SIGCONT)
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(_STOP_SECONDS)
        for process in self._processes:
            self.send_all(signal.SIGKILL, process.pid)
            process.wait()


@dataclass
class Supervisor:
    """The running service.

    Attributes:
        postgres: its database server.
        redis: its broker.
        database_url: its database.
        urls: where its APIs answer.
        headers: what opens them: a key that reads and writes, of the group ``storm``.
        apis, workers, sweeper: its processes.
    """

    postgres: PostgresServer
    redis: RedisServer
    database_url: str
    urls: tuple[str, ...]
    headers: Mapping[str, str]
    apis: tuple[Role, ...]
    workers: tuple[Role, ...]
    sweeper: Role
    _stopping: threading.Event = field(default_factory=threading.Event)

    @property
    def roles(self) -> tuple[Role, ...]:
        """All processes."""
        return (*self.apis, *self.workers, self.sweeper)

    @contextmanager
    def supervising(self) -> Iterator[None]:
        """Start everything, and again whatever ends, while the context lasts."""
        for role in self.roles:
            role.start()
        watcher = threading.Thread(target=self._watch, name="supervisor")
        watcher.start()
        try:
            wait_until(self._is_up, "the service is up")
            yield
        finally:
            self._stopping.set()
            watcher.join()
            with ThreadPoolExecutor() as pool:
                list(pool.map(Role.stop, self.roles))

    def _is_up(self) -> bool:
        try:
            answers = [httpx.get(f"{url}/jobs", headers=self.headers, timeout=5) for url in self.urls]
        except httpx.TransportError:
            return False
        return all(answer.is_success for answer in answers) and all(worker.find_child() for worker in self.workers)

    def _watch(self) -> None:
        while not self._stopping.wait(_TICK_SECONDS):
            for role in self.roles:
                if not role.is_alive():
                    role.start()
            if not self.redis.process.is_alive():
                self.redis.process.start()


@contextmanager
def run_service(folder: Path, n_workers: int = N_WORKERS, **settings: object) -> Iterator[Supervisor]:
    """Two APIs, workers and a sweeper on a durable PostgreSQL and a Redis, while the context lasts.

    Args:
        folder: where the processes write their logs.
        n_workers: how many workers there are.
        settings: that differ from those of a storm.
    """
    with ExitStack() as stack:
        postgres = stack.enter_context(run_postgres(is_durable=True))
        redis = stack.enter_context(run_redis())
        database_url = stack.enter_context(postgres.new_database())
        given: dict[str, Any] = {
            "data_dir": folder,
            "database_url": database_url,
            "broker_url": redis.url,
            "prepare_database": False,
            "chunk_max_samples": 2,
            "lease_seconds": LEASE_SECONDS,
            "sweep_seconds": 0.5,
            "reannounce_seconds": 1.0,
            # here workers are lost at random, again and again, and never because of what they run
            "max_lost_attempts": 1000,
            "key_secret": secrets.token_hex(32),
            "drain_seconds": 0,
            **settings,
        }
        environment = {f"RMATCH_{name.upper()}": str(value) for name, value in given.items()}

        def make_role(name: str, *command: str) -> Role:
            return Role(command, environment, folder / f"{name}.log")

        ports = [free_port() for _ in range(N_API)]
        with closing(Store(database_url)) as store:
            store.migrate()
            key, _ = create_key(store, load_secret(Settings(**given)), KeyRequest(name="storm", group=GROUP))
        supervisor = Supervisor(
            postgres=postgres,
            redis=redis,
            database_url=database_url,
            urls=tuple(f"http://{HOST}:{port}" for port in ports),
            headers={"Authorization": f"Bearer {key.text}"},
            apis=tuple(make_role(f"api-{k}", "api", "--port", str(port)) for k, port in enumerate(ports)),
            workers=tuple(make_role(f"worker-{k}", "worker") for k in range(n_workers)),
            sweeper=make_role("sweeper", "sweep"),
        )
        stack.enter_context(supervisor.supervising())
        yield supervisor
