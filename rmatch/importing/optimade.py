"""Structures of whoever speaks OPTIMADE."""

from __future__ import annotations

import re
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import httpx
from pydantic import BaseModel

from rmatch.errors import CommandError
from rmatch.importing.atoms import Length, Name, Vector, build_atoms, validate
from rmatch.importing.fetching import Fetcher
from rmatch.importing.source import NamedAtoms, Page, SkippedError

_END: Final = "end"
_NO_CELL: Final = ((None,) * 3,) * 3


_PartVector = tuple[Length | None, Length | None, Length | None]
"""Null along what is not periodic."""


class _Species(BaseModel):
    name: str
    chemical_symbols: list[str]
    attached: list[str] | None = None


class _Attributes(BaseModel):
    """The properties that make a structure, named and defined by OPTIMADE 1.2; lengths in Å."""

    structure_features: list[str] | None = None
    dimension_types: tuple[int, int, int] | None = None
    lattice_vectors: tuple[_PartVector, _PartVector, _PartVector] | None = None
    cartesian_site_positions: list[Vector]
    species: list[_Species]
    species_at_sites: list[str]


class _Entry(BaseModel):
    id: Name
    attributes: dict[str, Any]


@dataclass(frozen=True)
class OptimadeSource:
    """The structures of a provider; its cursor is the URL of the next page.

    Attributes:
        fetcher: for the provider's base URL, with or without its version.
        selection: a filter; empty for all structures.
        page_size: structures to ask for at a time.
    """

    fetcher: Fetcher
    selection: str
    page_size: int
    version: str = ""

    @property
    def label(self) -> str:
        """The provider's host and path."""
        return f"{self.fetcher.url.host}{self.fetcher.url.path.rstrip('/')}"

    @property
    def location(self) -> str:
        """The base URL."""
        return str(self.fetcher.url)

    def read(self, cursor: str) -> Generator[Page]:
        """The pages from a cursor on.

        Raises:
            CommandError: the provider does not answer, or not as OPTIMADE has it, or links elsewhere.
        """
        while cursor != _END:
            url = self.fetcher.follow(cursor) if cursor else self._first_url()
            content = self.fetcher.get(url)
            entries, meta = content.get("data"), content.get("meta")
            if not isinstance(entries, list) or not isinstance(meta, dict):
                raise CommandError(f"{url.host} does not answer as OPTIMADE has it. Is the URL a provider's base URL?")
            cursor = self._find_next(content, url)
            yield Page.collect(
                (partial(read_entry, entry) for entry in entries),
                cursor=cursor,
                total=meta.get("data_returned"),
            )

    def _first_url(self) -> httpx.URL:
        path = self.fetcher.url.path.rstrip("/")
        path = path if re.search(r"/v[0-9][^/]*$", path) else f"{path}/v1"
        fields = ",".join(_Attributes.model_fields)
        parameters = {"page_limit": str(self.page_size), "response_fields": fields}
        if self.selection:
            parameters["filter"] = self.selection
        return self.fetcher.url.copy_with(path=f"{path}/structures", params=parameters)

    def _find_next(self, content: Mapping[str, Any], url: httpx.URL) -> str:
        links = content.get("links")
        link = links.get("next") if isinstance(links, dict) else None
        link = link.get("href") if isinstance(link, dict) else link
        if link and content["data"]:  # some link to a page of nothing at the end
            following = self.fetcher.follow(str(link), url)
            if following == url:
                raise CommandError(f"{url.host} says that a page comes after itself. It cannot be read to its end.")
            return str(following)
        if content["meta"].get("more_data_available") is True:
            raise CommandError(f"{url.host} has more structures, and no link to them. It cannot be read to its end.")
        return _END


def read_entry(content: object) -> list[NamedAtoms]:
    """The structure of an entry.

    Raises:
        SkippedError: the entry has no definite atom at every site, or more atoms than sites.
        FileFormatError: it is not as OPTIMADE has it, or cannot be.
    """
    entry = validate(_Entry, content, "entry")
    told = validate(_Attributes, entry.attributes, entry.id)
    if told.structure_features:
        raise SkippedError(f"{entry.id}: {', '.join(told.structure_features)[:80]}")
    species = {kind.name: kind for kind in told.species}
    at_sites = [species.get(name) for name in told.species_at_sites]
    symbols = []
    for kind in at_sites:
        if kind is None or len(kind.chemical_symbols) != 1 or kind.attached:
            raise SkippedError(f"{entry.id}: a site holds no single atom")
        symbols += kind.chemical_symbols
    vectors = told.lattice_vectors or _NO_CELL
    cell = [(a or 0.0, b or 0.0, c or 0.0) for a, b, c in vectors]
    periodic = [bool(kind) for kind in told.dimension_types or [None not in vector for vector in vectors]]
    return [build_atoms(entry.id, symbols, told.cartesian_site_positions, cell, periodic)]
