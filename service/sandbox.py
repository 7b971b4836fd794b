"""Reads uploaded structure files in a child process with limits on memory and time.

A small file can keep a parser busy for minutes or fill the memory; here it costs one child.
``python -m service.sandbox`` is the child: JSON on its standard input and output.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from dataclasses import dataclass, field
from threading import BoundedSemaphore
from typing import Any, Final

import structlog

from rm_engine.errors import InputError
from rm_engine.files import FileLimits, Format, parse_structures, to_json
from rm_engine.spec.limits import MAX_ATOMS
from service.domain import AtomsJson, BusyError

MAX_STRUCTURES: Final = 1000
_MORE_WALL_THAN_CPU: Final = 1.5
_PLACES: Final = 2
_WAIT_SECONDS: Final = 2

_log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Sandbox:
    """Where uploads are read.

    Attributes:
        seconds: CPU time for one file; half as much again may pass on the wall.
        memory_bytes: address space for one file.
        places: children at a time.
    """

    seconds: float
    memory_bytes: int
    places: BoundedSemaphore = field(default_factory=lambda: BoundedSemaphore(_PLACES))

    def parse(self, content: str, format_: Format) -> list[AtomsJson]:
        """The structures in the content of a file.

        Raises:
            InputError: the content does not parse, or reading it passed a limit.
            BusyError: other uploads are being read.
        """
        if not self.places.acquire(timeout=_WAIT_SECONDS):
            raise BusyError("Other uploads are being read. Try again soon.")
        try:
            return self._parse(content, format_)
        finally:
            self.places.release()

    def _parse(self, content: str, format_: Format) -> list[AtomsJson]:
        command = [sys.executable, "-B", "-m", __name__, str(round(self.seconds) or 1), str(self.memory_bytes)]
        # BLAS would reserve memory for every core
        environment = {"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "OPENBLAS_NUM_THREADS": "1"}
        try:
            child = subprocess.run(  # noqa: S603  our own interpreter and module
                command,
                input=json.dumps([content, format_]),
                capture_output=True,
                text=True,
                timeout=self.seconds * _MORE_WALL_THAN_CPU,
                env=environment,
                check=True,
            )
        except (subprocess.TimeoutExpired, subprocess.CalledProcessError) as error:
            _log.warning("upload_not_readable", error=str(error), child=str(error.stderr)[-2000:])
            raise InputError(
                "structure_file_too_large",
                "content",
                content,
                "reading it broke off: it takes too much time or memory, or it is malformed",
                "Send fewer or smaller structures, or another format.",
            ) from error
        answer = json.loads(child.stdout)
        if "error" in answer:
            raise InputError(**answer["error"])
        structures: list[AtomsJson] = answer["structures"]
        return structures


def _set_limits(seconds: int, memory_bytes: int) -> None:
    for kind, limit in (
        (resource.RLIMIT_CPU, seconds),
        (resource.RLIMIT_AS, memory_bytes),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(kind, (limit, limit))


def _read(content: str, format_: Format) -> list[AtomsJson]:
    limits = FileLimits(max_bytes=len(content), max_frames=MAX_STRUCTURES, max_atoms=MAX_ATOMS)
    structures: list[AtomsJson] = [to_json(atoms) for atoms in parse_structures(content, format_, "content", limits)]
    if not structures:
        raise InputError("no_structures", "content", content, "there is no structure in it", "Send at least one.")
    if any(number < 1 for structure in structures for number in structure["numbers"]):
        raise InputError("unknown_element", "content", content, "an atom is no element", "Use element symbols.")
    return structures


def _answer(content: str, format_: Format) -> dict[str, Any]:
    try:
        return {"structures": _read(content, format_)}
    except InputError as error:
        fields = {name: getattr(error, name) for name in ("code", "value", "reason", "hint")}
        return {"error": {**fields, "field": "content"}}


if __name__ == "__main__":
    _set_limits(int(sys.argv[1]), int(sys.argv[2]))
    # infinities and NaN are no JSON: the child ends with an error, and the parent says so
    json.dump(_answer(*json.load(sys.stdin)), sys.stdout, allow_nan=False)
