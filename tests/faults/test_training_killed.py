"""``rmatch train`` killed at any moment, or on a full disk, and started again: the same weights, bit for bit."""

from __future__ import annotations

import os
import random
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from processes import clean_environment
from servers import wait_until

N_KILLS = 2
RESULTS = ("diamond.safetensors", "diamond.json", "log.jsonl")
SMALLER_THAN_A_STATE = 20_000


@contextmanager
def training(folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A training of a few seconds."""
    command = [sys.executable, "-m", "rmatch", "train", "--recipe", "diamond", "--epochs", "15", "-o", str(folder)]
    process = subprocess.Popen(
        command, env=clean_environment(), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, cwd=folder.parent
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def train_to_the_end(folder: Path) -> None:
    with training(folder) as process:
        _, errors = process.communicate(timeout=100)
        assert process.returncode == 0, errors.decode()


def n_epochs(folder: Path) -> int:
    log = folder / "log.jsonl"
    return len(log.read_text().splitlines()) if log.exists() else 0


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("undisturbed")
    train_to_the_end(folder)
    return folder


def assert_same(folder: Path, undisturbed: Path) -> None:
    for name in RESULTS:
        assert (folder / name).read_bytes() == (undisturbed / name).read_bytes(), name


@pytest.mark.timeout(200)
def test_killed_at_random_moments(undisturbed: Path, tmp_path: Path) -> None:
    seed = random.randrange(10**6)
    print(f"moments of seed {seed}")
    choice = random.Random(seed)
    folder = tmp_path / "run"
    for _ in range(N_KILLS):
        before = n_epochs(folder)
        with training(folder) as process:
            wait_until(lambda: n_epochs(folder) > before or process.poll() is not None, "it goes on")  # noqa: B023
            time.sleep(choice.uniform(0, 0.5))
            process.kill()
    assert n_epochs(folder) >= N_KILLS
    train_to_the_end(folder)
    assert_same(folder, undisturbed)


@pytest.mark.timeout(200)
def test_on_a_full_disk(undisturbed: Path, tmp_path: Path) -> None:
    """A limit on the size of files, set while it runs: the write of the next state fails half way."""
    folder = tmp_path / "run"
    with training(folder) as process:
        wait_until(lambda: n_epochs(folder) >= 2, "it has come somewhere")
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (SMALLER_THAN_A_STATE, SMALLER_THAN_A_STATE))
        _, errors = process.communicate(timeout=60)
        (line,) = (line for line in errors.decode().splitlines() if line.startswith("Error"))  # coverage has its own
    assert process.returncode == 2
    reason = os.strerror(27)
    assert line == (f"Error: [Errno 27] {reason}, what was there before is kept: '{folder / 'state.safetensors'}'")
    assert not list(folder.glob(".*.partial"))
    reached = n_epochs(folder)
    assert 2 <= reached < 15
    train_to_the_end(folder)
    assert n_epochs(folder) == 15
    assert_same(folder, undisturbed)
