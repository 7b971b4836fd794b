"""Reads uploaded structure files in a child process without network and files, with limits on memory and time.

A small file can keep a parser busy for minutes, fill the memory, or find a flaw in it; here it costs one child, which
is given nothing but the text, and whose answer is believed as little as the file.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from base64 import b64encode
from dataclasses import dataclass, field
from tempfile import TemporaryFile
from threading import BoundedSemaphore
from typing import IO, Annotated, Final, TypeVar

import structlog
from pydantic import BaseModel, Field, FiniteFloat, TypeAdapter, ValidationError

from rm_engine.errors import InputError
from rm_engine.files import Format
from rm_engine.spec import ModelCard
from rm_engine.spec.limits import MAX_ATOMS
from rm_engine.units import SYMBOLS
from service.domain import AtomsJson, BusyError
from service.reading import MAX_ANSWER_BYTES, MAX_STRUCTURES, MODEL

_MORE_WALL_THAN_CPU: Final = 1.5
_PLACES: Final = 2
_WAIT_SECONDS: Final = 2

_log = structlog.get_logger(__name__)

Vector = Annotated[list[FiniteFloat], Field(min_length=3, max_length=3)]


class _Structure(BaseModel):
    """A structure that a child has read."""

    numbers: list[Annotated[int, Field(ge=1, lt=len(SYMBOLS))]] = Field(min_length=1, max_length=MAX_ATOMS)
    positions: list[Vector] = Field(min_length=1, max_length=MAX_ATOMS)
    cell: list[Vector] = Field(min_length=3, max_length=3)
    periodic: list[bool] = Field(min_length=3, max_length=3)


class _Refusal(BaseModel):
    """Why a child has read nothing."""

    code: str
    value: str
    reason: str
    hint: str


class _Card(BaseModel):
    """The card of a model that a child has read."""

    card: str


_Structures = Annotated[list[_Structure], Field(min_length=1, max_length=MAX_STRUCTURES)]
_STRUCTURES: Final[TypeAdapter[list[_Structure] | _Refusal]] = TypeAdapter(_Structures | _Refusal)
_CARD: Final[TypeAdapter[_Card | _Refusal]] = TypeAdapter(_Card | _Refusal)
_T = TypeVar("_T")


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
        return [structure.model_dump() for structure in self._ask(content, format_, _STRUCTURES)]

    def read_card(self, content: bytes) -> ModelCard:
        """The card in the file of a model, whose weights are as it says (:func:`rm_engine.spec.unpack_card`).

        Raises:
            InputError: it is no such file, or reading it passed a limit.
            BusyError: other uploads are being read.
        """
        return ModelCard.from_json(self._ask(b64encode(content).decode(), MODEL, _CARD).card)

    def _ask(self, content: str, format_: str, form: TypeAdapter[_T | _Refusal]) -> _T:
        if not self.places.acquire(timeout=_WAIT_SECONDS):
            raise BusyError("Other uploads are being read. Try again soon.")
        try:
            answer = self._ask_child(content, format_, form)
        finally:
            self.places.release()
        if isinstance(answer, _Refusal):
            raise InputError(field="content", **answer.model_dump())
        return answer

    def _ask_child(self, content: str, format_: str, form: TypeAdapter[_T | _Refusal]) -> _T | _Refusal:
        with _open_buffer() as question, _open_buffer() as answer, _open_buffer() as complaints:
            question.write(json.dumps([content, format_]).encode())
            status = self._run_child(question, answer, complaints)
            try:
                return form.validate_json(_read_back(answer))
            except ValidationError:
                said = _read_back(complaints)[-2000:].decode(errors="replace")
                _log.warning("upload_not_readable", status=status, child=said)
        return _Refusal(
            code="structure_file_too_large",
            value=content[:80],
            reason="reading it broke off: it takes too much time or memory, or it is malformed",
            hint="Send fewer or smaller structures, or another format.",
        )

    def _run_child(self, question: IO[bytes], answer: IO[bytes], complaints: IO[bytes]) -> int:
        """The exit status of a child on these files; negative where it was killed."""
        question.seek(0)
        command = [sys.executable, "-B", "-m", "service.reading", str(round(self.seconds) or 1), str(self.memory_bytes)]
        # nothing of our environment; and BLAS would reserve memory for every core
        environment = {"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "OPENBLAS_NUM_THREADS": "1"}
        with subprocess.Popen(  # noqa: S603  our own interpreter and module
            command, stdin=question, stdout=answer, stderr=complaints, env=environment, start_new_session=True
        ) as child:
            try:
                return child.wait(self.seconds * _MORE_WALL_THAN_CPU)
            except subprocess.TimeoutExpired:
                os.killpg(child.pid, signal.SIGKILL)
                return child.wait()


def _open_buffer() -> IO[bytes]:
    """A file in memory, or on disk where there are none: the kernel bounds what a child writes into files."""
    return os.fdopen(os.memfd_create("upload"), "w+b") if hasattr(os, "memfd_create") else TemporaryFile()


def _read_back(buffer: IO[bytes]) -> bytes:
    buffer.seek(0)
    return buffer.read(MAX_ANSWER_BYTES)
