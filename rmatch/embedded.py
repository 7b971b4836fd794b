"""The whole service on this machine: API, worker and sweeper as child processes on one data directory."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from rmatch.errors import CommandError
from service.settings import Settings

START_SECONDS: Final = 30
_MORE_STOP_SECONDS: Final = 5
_RESTART_PAUSE_SECONDS: Final = 1


@dataclass
class Service:
    """The running processes.

    Attributes:
        url: where the API answers.
        processes: the child processes by the name of their command.
        on_restart: told of a child that ended by itself and was started again.
        log: where they print; the terminal when None.
        stop_seconds: how long they may take to stop.
    """

    url: str
    on_restart: Callable[[str, int], None]
    log: Path | None
    stop_seconds: float
    _start: Callable[[str], subprocess.Popen[bytes]]
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def start(self) -> None:
        """Start every process; the API answers when this returns."""
        for command in ("api", "worker"):
            self.processes[command] = self._start(command)
        deadline = time.monotonic() + START_SECONDS
        while not self._answers():
            if self.processes["api"].poll() is not None or time.monotonic() > deadline:
                raise CommandError(f"The API did not start on {self.url}. {self._last_words()}")
            time.sleep(0.05)
        self.processes["sweep"] = self._start("sweep")  # last: by now the tables are there

    def keep_alive(self) -> None:
        """Start again what ended by itself: nothing of it is lost, the database knows every job."""
        for command, process in self.processes.items():
            if (status := process.poll()) is not None:
                self.on_restart(command, status)
                time.sleep(_RESTART_PAUSE_SECONDS)
                self.processes[command] = self._start(command)

    def ask_to_stop(self) -> None:
        """Ask every process to stop; asked again, the worker gives its chunk back at once."""
        for process in self.processes.values():
            process.terminate()

    def stop(self) -> None:
        """Ask every process to stop, and end those that do not in time."""
        self.ask_to_stop()
        deadline = time.monotonic() + self.stop_seconds
        for process in self.processes.values():
            try:
                process.wait(timeout=max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()

    def _last_words(self) -> str:
        if self.log is None:
            return "Its messages above say why."
        return f"The end of its messages:\n{self.log.read_text(errors='replace')[-2000:]}"

    def _answers(self) -> bool:
        import httpx

        try:
            return httpx.get(f"{self.url}/readyz", timeout=1).is_success
        except httpx.TransportError:
            return False


@contextmanager
def run_service(
    settings: Settings, port: int, *, log: Path | None = None, on_restart: Callable[[str, int], None] = lambda *_: None
) -> Iterator[Service]:
    """Run the service while the context lasts.

    Args:
        settings: the data directory and whatever else differs from the environment.
        port: port of the API on ``settings.host``.
        log: file for what the processes print; the terminal when None.
        on_restart: see :class:`Service`.

    Raises:
        CommandError: the API does not start.
    """
    with ExitStack() as stack:
        output = stack.enter_context(log.open("ab")) if log else None
        changed = {"port": port, "drain_seconds": 0}  # there is no other API that could take over
        given = settings.model_copy(update=changed).model_dump(mode="json", exclude_none=True)
        environment = {**os.environ, **{f"RMATCH_{name.upper()}": str(value) for name, value in given.items()}}

        def start(command: str) -> subprocess.Popen[bytes]:
            # A session of its own: Ctrl-C in the terminal is ours to pass on, in order.
            return subprocess.Popen(  # noqa: S603  our own program
                [sys.executable, "-m", "rmatch", command],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

        stop_seconds = settings.soft_shutdown_seconds + settings.chunk_kill_seconds + _MORE_STOP_SECONDS
        service = Service(f"http://{settings.host}:{port}", on_restart, log, stop_seconds, start)
        stack.callback(service.stop)
        service.start()
        yield service


def find_port(host: str, *candidates: int) -> int:
    """The first of these ports that is free; 0 stands for any.

    Raises:
        CommandError: none is.
    """
    for port in candidates:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise CommandError(f"Port {candidates[0]} on {host} is taken. Give another --port, or none to take a free one.")
