"""Real PostgreSQL and Redis for tests: started on free loopback ports, owned by the test run, gone with it.

They can be stopped, killed, paused and started again on the same port and data, as tests of outages need.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import psycopg
import redis

from tests.binaries import postgres_binaries, redis_binary, unprivileged_account

HOST = "127.0.0.1"
START_TIMEOUT_SECONDS = 60


class ServerProcess:
    """The process of a server; what it prints is shown when it does not start.

    Args:
        command: starts it in the foreground.
        is_ready: whether it answers.
        stop_signal: asks it to end in order.
        options: for :class:`subprocess.Popen`.
    """

    def __init__(
        self, command: list[Any], is_ready: Callable[[], bool], stop_signal: signal.Signals, **options: Any
    ) -> None:
        self._command = command
        self._is_ready = is_ready
        self._stop_signal = stop_signal
        self._options = options
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it; it answers when this returns."""
        with tempfile.TemporaryFile() as log:
            self._process = process = subprocess.Popen(
                self._command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, **self._options
            )
            wait_until(lambda: process.poll() is not None or self._is_ready(), f"{self._command[0]} starts")
            if process.poll() is not None:
                log.seek(0)
                words = log.read().decode(errors="replace")
                raise RuntimeError(f"{self._command[0]} ended with {process.returncode}:\n{words}")

    def is_alive(self) -> bool:
        """Whether it runs, or is paused."""
        return self._running().poll() is None

    def stop(self, how: signal.Signals | None = None) -> None:
        """Ask it to end, with another signal than usual if given; it has ended when this returns."""
        process = self._running()
        process.send_signal(how or self._stop_signal)
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def kill(self) -> None:
        """End it without a word, as a machine that fails would."""
        self.stop(signal.SIGKILL)

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Take connections and give no answer while the context lasts, as a machine that hangs does."""
        members = [self._running().pid, *children_of(self._running().pid)]
        for pid in members:
            os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            for pid in members:
                os.kill(pid, signal.SIGCONT)

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """Refuse connections while the context lasts."""
        self.stop()
        try:
            yield
        finally:
            self.start()

    def _running(self) -> subprocess.Popen[bytes]:
        assert self._process is not None, "not started"
        return self._process


@contextmanager
def _run_server(server: ServerProcess) -> Iterator[None]:
    """Run a server while the context lasts."""
    server.start()
    try:
        yield
    finally:
        server.stop()


@dataclass(frozen=True)
class PostgresServer:
    """A PostgreSQL server; every test takes a database of its own."""

    port: int
    process: ServerProcess
    binaries: Path
    _numbers: Iterator[int] = field(default_factory=lambda: count(1))

    def url(self, database: str) -> str:
        return _postgres_url(self.port, database)

    @contextmanager
    def new_database(self, template: str = "template1") -> Iterator[str]:
        """URL of a copy of a database, dropped afterwards together with whatever is still connected to it.

        Args:
            template: name of the database; by default an empty one.
        """
        name = f"test_{next(self._numbers)}"
        self._execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        try:
            yield self.url(name)
        finally:
            self._execute(f"DROP DATABASE {name} WITH (FORCE)")

    def crash(self) -> None:
        """Restart at once, without the checkpoint of an orderly end: it recovers from its log of changes."""
        self.process.stop(signal.SIGQUIT)
        self.process.start()

    def _execute(self, statement: str) -> None:
        with psycopg.connect(self.url("postgres"), autocommit=True, connect_timeout=5) as connection:
            connection.execute(statement.encode())


@dataclass(frozen=True)
class RedisServer:
    """A Redis server; every test takes the emptied database 0."""

    port: int
    process: ServerProcess

    @property
    def url(self) -> str:
        return f"redis://{HOST}:{self.port}/0"

    def flush(self) -> None:
        with redis.Redis(host=HOST, port=self.port) as client:
            client.flushall()


@contextmanager
def run_postgres(*, is_durable: bool = False) -> Iterator[PostgresServer]:
    """A PostgreSQL server with trust authentication on loopback; it waits for the disk where it is to be durable."""
    with tempfile.TemporaryDirectory(prefix="rmatch-postgres-", ignore_cleanup_errors=True) as base:
        account = unprivileged_account()
        binaries = postgres_binaries(Path(base), account)
        data = Path(base, "data")
        data.mkdir(mode=0o700)
        if account:
            Path(base).chmod(0o755)
            shutil.chown(data, **account)
        words = ["-U", "rmatch", "-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync"]
        initialise: list[str | Path] = [binaries / "initdb", "-D", data, *words]
        subprocess.run(initialise, check=True, stdout=subprocess.DEVNULL, cwd=data, **account)
        port = free_port()
        fsync = "on" if is_durable else "off"
        options = [f"port={port}", f"listen_addresses={HOST}", f"unix_socket_directories={data}", f"fsync={fsync}"]
        command = [binaries / "postgres", "-D", data, *(word for option in options for word in ("-c", option))]
        process = ServerProcess(command, lambda: _postgres_answers(port), signal.SIGINT, cwd=data, **account)
        with _run_server(process):
            yield PostgresServer(port, process, binaries)


@contextmanager
def run_redis() -> Iterator[RedisServer]:
    """A Redis server on loopback that keeps nothing on disk."""
    with tempfile.TemporaryDirectory(prefix="rmatch-redis-") as base:
        port = free_port()
        options = ["--port", str(port), "--bind", HOST, "--save", "", "--appendonly", "no", "--dir", base]
        process = ServerProcess([redis_binary(), *options], lambda: _redis_answers(port), signal.SIGTERM)
        with _run_server(process):
            yield RedisServer(port, process)


def _postgres_url(port: int, database: str) -> str:
    return f"postgresql://rmatch@{HOST}:{port}/{database}"


def _postgres_answers(port: int) -> bool:
    try:
        psycopg.connect(_postgres_url(port, "postgres"), connect_timeout=5).close()
    except psycopg.OperationalError:
        return False
    return True


def _redis_answers(port: int) -> bool:
    with redis.Redis(host=HOST, port=port, socket_timeout=5) as client:
        try:
            client.ping()
        except (redis.ConnectionError, redis.TimeoutError):
            return False
    return True


def free_port() -> int:
    """A loopback port that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def children_of(pid: int) -> dict[int, list[str]]:
    """The child processes of a process: the words of each one's command line, by process id."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            words = (folder / "cmdline").read_bytes().decode(errors="replace").split("\0")
        except (FileNotFoundError, ProcessLookupError):
            continue
        if parent == pid:
            found[int(folder.name)] = words[:-1]
    return found


def wait_until(is_true: Callable[[], Any], what: str, timeout_seconds: float = START_TIMEOUT_SECONDS) -> None:
    """Poll a condition; say what was waited for when it does not come true in time."""
    deadline = time.monotonic() + timeout_seconds
    while not is_true():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what}: not within {timeout_seconds:g} s")
        time.sleep(0.05)
