"""The errors of the engine: one root, and a message that says what, which value, and the way out."""

from __future__ import annotations

from typing import Any


class RMEngineError(Exception):
    """Root of every error the engine raises on purpose."""

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickled as it is: by default the class would be called with the message alone, whatever it takes."""
        return _restore, (type(self), self.args, self.__dict__)


def _restore(kind: type[RMEngineError], arguments: tuple[Any, ...], state: dict[str, Any]) -> RMEngineError:
    error = kind.__new__(kind, *arguments)
    error.__dict__.update(state)
    return error


class InputError(RMEngineError, ValueError):
    """A value given by the caller cannot be used.

    Attributes:
        code: stable machine-readable name of the problem, e.g. ``unknown_element``.
        field: the field that holds the value, e.g. ``composition``.
        value: the offending value as text, cut to 80 characters.
        reason: what is wrong with it.
        hint: the way out.
    """

    def __init__(self, code: str, field: str, value: object, reason: str, hint: str) -> None:
        shown = str(value)
        self.code = code
        self.field = field
        self.value = shown if len(shown) <= 80 else f"{shown[:77]}..."
        self.reason = reason
        self.hint = hint
        super().__init__(f"{field}: {reason} (got {self.value!r}). {hint}")


class FileFormatError(InputError):
    """A structure file does not parse; ``line`` is the 1-based line, or None where the parser gives none."""

    def __init__(self, name: str, reason: str, line: int | None = None) -> None:
        where = f"line {line}: " if line is not None else ""
        hint = "Correct the file and try again."
        super().__init__("unreadable_structure_file", "file", name, f"{where}{reason}", hint)
        self.line = line


class ModelNotFoundError(RMEngineError):
    """No checkpoint of that name is to be had; ``name`` is what was asked for, cut to 80 characters."""

    def __init__(self, name: str, message: str) -> None:
        super().__init__(message)
        self.name = name[:80]


class CheckpointError(RMEngineError):
    """A checkpoint is there but cannot be used: another format version, missing or misshapen weights."""


class SearchError(RMEngineError):
    """A random start could not be built within its bounded number of attempts."""


class TrainingDivergedError(RMEngineError):
    """A training run was stopped because it no longer learns; the state of its last good epoch is kept.

    Attributes:
        step: optimiser steps done when it was stopped.
    """

    def __init__(self, step: int, reason: str) -> None:
        super().__init__(
            f"The training diverged at step {step}: {reason}. The folder keeps the state of the last good epoch. "
            "Train into another folder with a lower learning rate (--learning-rate)."
        )
        self.step = step
