"""How soon the API answers, how much memory it takes, and how large the wheel is."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from socket import socket

from benchmarks.report import Row
from benchmarks.timing import resident_megabytes

_N_STARTS = 5
_ROOT = Path(__file__).resolve().parent.parent


def run() -> Iterator[Row]:
    """Start the API as its own process, several times; build the wheel once."""
    with tempfile.TemporaryDirectory() as folder:
        _start_api(Path(folder))  # creates and seeds the database
        started = [_start_api(Path(folder)) for _ in range(_N_STARTS)]
        seconds, megabytes = zip(*started, strict=True)
        start = "process start to first answer"
        yield Row.of(seconds, name="API ready", goal=2, unit="s", at_least=False, note=start)
        memory = "resident memory after the first answer"
        yield Row.of(megabytes, name="API memory", goal=150, unit="MB", at_least=False, note=memory)
        size = _build_wheel(Path(folder)) / 1e6
        yield Row("wheel with models", size, 5, "MB", at_least=False, note="python -m build --wheel")


def _start_api(data_dir: Path) -> tuple[float, float]:
    """Seconds until the API answers, and its resident memory in MB."""
    with socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "rmatch", "api", "--port", str(port)]
    begin = time.perf_counter()
    with subprocess.Popen(
        command,
        env={**os.environ, "RMATCH_DATA_DIR": str(data_dir)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            while not _answers(f"http://127.0.0.1:{port}/healthz"):
                if process.poll() is not None:
                    raise RuntimeError(f"The API ended with status {process.returncode} before it answered.")
                time.sleep(0.01)
            seconds = time.perf_counter() - begin
            megabytes = resident_megabytes(process.pid)
        finally:
            process.terminate()
    return seconds, megabytes


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=1):
            return True
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return False


def _build_wheel(folder: Path) -> int:
    """Bytes of the wheel of what git knows, built in a copy, so that nothing is left behind here."""
    source = folder / "source"
    source.mkdir()
    files = subprocess.run(["git", "ls-files", "-z"], cwd=_ROOT, check=True, capture_output=True, text=True).stdout
    for name in filter(None, files.split("\0")):
        if (_ROOT / name).is_file():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).write_bytes((_ROOT / name).read_bytes())
    command = [sys.executable, "-m", "build", "--wheel", "--outdir", str(folder / "dist"), str(source)]
    subprocess.run(command, check=True, capture_output=True)
    return next((folder / "dist").glob("*.whl")).stat().st_size
