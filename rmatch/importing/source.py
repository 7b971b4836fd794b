"""What a source of known structures is."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass
from typing import Protocol, Self

from rm_engine.errors import FileFormatError
from service.domain import AtomsJson

NamedAtoms = tuple[str, AtomsJson]


class SkippedError(Exception):
    """A structure that is sound, but nothing to compare with; the message names it and says why."""


@dataclass(frozen=True, kw_only=True)
class Page:
    """Some of the structures of a source.

    Attributes:
        structures: (name, structure) of each.
        cursor: where to go on after them.
        skipped: what cannot be compared with, and why, a line each.
        broken: what could not be read, and why, a line each.
        total: how many structures the source has, where it says so.
    """

    structures: tuple[NamedAtoms, ...]
    cursor: str
    skipped: tuple[str, ...]
    broken: tuple[str, ...]
    total: int | None

    @classmethod
    def collect(
        cls, entries: Iterable[Callable[[], Iterable[NamedAtoms]]], *, cursor: str, total: object = None
    ) -> Self:
        """The page of what reads its entries, which may raise :class:`SkippedError` and :class:`FileFormatError`."""
        structures: list[NamedAtoms] = []
        skipped, broken = [], []
        for read in entries:
            try:
                structures += read()
            except SkippedError as error:
                skipped.append(str(error))
            except FileFormatError as error:
                broken.append(f"{error.value}: {error.reason}")
        return cls(
            structures=tuple(structures),
            cursor=cursor,
            skipped=tuple(skipped),
            broken=tuple(broken),
            total=total if isinstance(total, int) else None,
        )


class Source(Protocol):
    """Where known structures come from; see :class:`service.domain.imports.ImportRequest` for what identifies it."""

    @property
    def label(self) -> str:
        """What to write down as the source of each structure."""

    @property
    def location(self) -> str:
        """Where it is."""

    @property
    def selection(self) -> str:
        """What of it is wanted."""

    @property
    def version(self) -> str:
        """In which state it is."""

    def read(self, cursor: str) -> Generator[Page]:
        """The pages after a cursor; all of them, where it is empty.

        Raises:
            CommandError: the source cannot be read any further.
        """
