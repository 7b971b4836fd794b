"""Which source a user means."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rm_engine.units import ATOMIC_NUMBERS
from rmatch.errors import CommandError
from rmatch.importing.fetching import Fetcher
from rmatch.importing.files import FileSource
from rmatch.importing.materials_project import MaterialsProjectSource
from rmatch.importing.optimade import OptimadeSource
from rmatch.importing.source import Source
from service.settings import Settings

MATERIALS_PROJECT: Final = "materials-project"
_MAX_KEY: Final = 1000


@dataclass(frozen=True, kw_only=True)
class SourceOptions:
    """What the user says of a source.

    Attributes:
        filter: of OPTIMADE.
        system: the elements that structures are to be made of, such as ``Li-S``.
        elements: elements that they are to hold, such as ``Li,S``, and maybe others.
        api_key_file: holds the key for the source.
        page_size: structures to ask for at a time.
    """

    filter: str = ""
    system: str = ""
    elements: str = ""
    api_key_file: Path | None = None
    page_size: int = 100


@contextmanager
def open_source(text: str, options: SourceOptions, settings: Settings) -> Iterator[Source]:
    """The source of a path, a URL, or ``materials-project``.

    Raises:
        CommandError: the options do not fit the source, or its key is missing.
        OSError: the file with the key cannot be read.
    """
    is_database = text == MATERIALS_PROJECT
    if not is_database and "://" not in text:
        if options != SourceOptions(page_size=options.page_size):
            raise CommandError("--filter, --system, --elements and --api-key-file are for databases, not for files.")
        yield FileSource(Path(text))
        return
    key = _read_key(options.api_key_file)
    if is_database:
        text, key = settings.materials_project_url, key or settings.materials_project_key
        if not key:
            raise CommandError(
                "The Materials Project wants your key. Give --api-key-file FILE, or set RMATCH_MATERIALS_PROJECT_KEY."
            )
        if options.filter:
            raise CommandError("--filter is for OPTIMADE. Choose by --system or --elements.")
    with closing(Fetcher(text, key)) as fetcher:
        if is_database:
            yield MaterialsProjectSource(fetcher, _write_query(options), options.page_size)
        else:
            yield OptimadeSource(fetcher, _write_filter(options), options.page_size)


def _read_key(path: Path | None) -> str:
    if path is None:
        return ""
    with path.open(encoding="ascii", errors="replace") as stream:
        key = stream.read(_MAX_KEY).strip()
    if not (key.isascii() and key.isprintable() and key):
        raise CommandError(f"{path} holds no key.")
    return key


def _write_filter(options: SourceOptions) -> str:
    """A filter of OPTIMADE."""
    parts = [f"({options.filter})"] if options.filter else []
    symbols = _parse_elements(options)
    if symbols:
        parts.append("elements HAS ALL " + ",".join(f'"{symbol}"' for symbol in symbols))
    if options.system:
        parts.append(f"nelements={len(symbols)}")
    return " AND ".join(parts)


def _write_query(options: SourceOptions) -> str:
    """Parameters for the Materials Project."""
    symbols = _parse_elements(options)
    if options.system:
        return f"chemsys={'-'.join(symbols)}"
    return f"elements={','.join(symbols)}" if symbols else ""


def _parse_elements(options: SourceOptions) -> list[str]:
    if options.system and options.elements:
        raise CommandError("Give --system or --elements, not both.")
    text, separator = (options.system, "-") if options.system else (options.elements, ",")
    symbols = sorted({symbol.strip() for symbol in text.split(separator)}) if text else []
    for symbol in symbols:
        if symbol not in ATOMIC_NUMBERS:
            raise CommandError(
                f"{symbol[:20]!r} in {text[:80]!r} is not an element. Give --system Li-S, --elements Li,S."
            )
    return symbols
