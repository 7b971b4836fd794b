"""Many files, read as the sandbox reads one: how many are read, how many refused and why, how long it takes."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from rm_engine.files import Format

MOST_SECONDS: Final = 15.0
_CHILD: Final = Path(__file__).with_name("batch_reader.py")


@dataclass
class Reading:
    """What became of many files: how often each outcome, the longest, and those that were neither read nor refused."""

    outcomes: Counter[str] = field(default_factory=Counter)
    longest_seconds: float = 0.0
    failures: list[str] = field(default_factory=list)

    def count(self, number: int, format_: Format, said: Any, seconds: float) -> None:
        """Take in the answer for file ``number``: structures, or a refusal."""
        outcome = "read" if isinstance(said, list) else said["code"]
        self.outcomes[f"{format_}: {outcome}"] += 1
        self.longest_seconds = max(self.longest_seconds, seconds)
        if outcome == "broke off":
            self.failures.append(f"file {number} ({format_}): {said['reason']}")


def read_all(files: Iterable[tuple[str, Format]]) -> Reading:
    """Read files one after the other; where a child ends or takes more than 15 s, another goes on."""
    reading, child = Reading(), _start()
    try:
        for number, (text, format_) in enumerate(files):
            child.stdin.write(json.dumps([text, format_]).encode() + b"\n")  # type: ignore[union-attr]
            ready, _, _ = select.select([child.stdout], [], [], MOST_SECONDS)
            line = child.stdout.readline() if ready else b""  # type: ignore[union-attr]
            if line:
                reading.count(number, format_, *json.loads(line))
                continue
            _end(child)
            reason = "took too long" if not ready else f"the child ended with {child.returncode}"
            reading.count(number, format_, {"code": "broke off", "reason": reason}, MOST_SECONDS)
            child = _start()
    finally:
        _end(child)
    return reading


def _start() -> subprocess.Popen[bytes]:
    environment = {"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "OPENBLAS_NUM_THREADS": "1"}
    command = [sys.executable, "-W", "ignore", str(_CHILD)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, bufsize=0)


def _end(child: subprocess.Popen[bytes]) -> None:
    child.kill()
    child.communicate()
