"""The service's own processes in tests: started with an environment of their own, and gone with the test."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from tests.servers import HOST, wait_until

STOP_TIMEOUT_SECONDS = 30


@dataclass(frozen=True)
class Running:
    """A process in a session of its own, and where it prints."""

    process: subprocess.Popen[bytes]
    log: Path

    def output(self) -> str:
        """What it has printed so far."""
        return self.log.read_text(errors="replace")

    def is_alive(self) -> bool:
        return self.process.poll() is None

    def stop(self) -> int:
        """Ask it to stop, as an orchestrator would; its status."""
        self.process.terminate()
        try:
            return self.process.wait(timeout=STOP_TIMEOUT_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
            raise

    def kill(self) -> None:
        """Kill it and all its children at once, as a machine that fails would."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


@contextmanager
def run_command(command: Sequence[str], environment: Mapping[str, str]) -> Iterator[Running]:
    """A command while the context lasts; what it printed is shown when the test fails."""
    with tempfile.NamedTemporaryFile(suffix=".log") as log:
        process = subprocess.Popen(
            command,
            env={**clean_environment(), **environment},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        running = Running(process, Path(log.name))
        try:
            yield running
        except BaseException:
            print(f"--- {' '.join(command)}\n{running.output()}")
            raise
        finally:
            running.stop()


@contextmanager
def run_rmatch(*arguments: str, environment: Mapping[str, str]) -> Iterator[Running]:
    """``rmatch`` with these arguments while the context lasts."""
    with run_command([sys.executable, "-m", "rmatch", *arguments], environment) as running:
        yield running


@contextmanager
def run_answering(command: str, port: int, environment: Mapping[str, str]) -> Iterator[Running]:
    """``rmatch`` with a command that has it answer on a port."""
    with run_rmatch(
        command, environment={"RMATCH_DRAIN_SECONDS": "0", **environment, "RMATCH_PORT": str(port)}
    ) as running:
        wait_until(lambda: not running.is_alive() or _answers(port), f"rmatch {command} answers on {port}")
        yield running


def _answers(port: int) -> bool:
    try:
        return httpx.get(f"http://{HOST}:{port}/readyz").is_success
    except httpx.TransportError:
        return False


def clean_environment() -> dict[str, str]:
    """Our environment without settings of the service, which would leak into the test."""
    return {name: value for name, value in os.environ.items() if not name.startswith("RMATCH_")}
