"""Structures of the Materials Project, by its own interface."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from pydantic import BaseModel

from rmatch.errors import CommandError
from rmatch.importing.atoms import Name, Vector, build_atoms, validate
from rmatch.importing.fetching import Fetcher
from rmatch.importing.source import NamedAtoms, Page, SkippedError

_PATH: Final = "/materials/summary/"


class _Occupant(BaseModel):
    element: str
    occu: float


class _Site(BaseModel):
    species: list[_Occupant]
    xyz: Vector


class _Lattice(BaseModel):
    matrix: tuple[Vector, Vector, Vector]


class _Structure(BaseModel):
    """What pymatgen writes of a structure; lengths in Å."""

    lattice: _Lattice
    sites: list[_Site]


class _Document(BaseModel):
    material_id: Name
    structure: dict[str, Any]


@dataclass(frozen=True)
class MaterialsProjectSource:
    """The materials that are not deprecated, in the order of their ids; the cursor is the number of those before.

    Attributes:
        fetcher: with the user's key.
        selection: parameters of the query, such as ``chemsys=Li-S``; empty for all materials.
        page_size: structures to ask for at a time.
    """

    fetcher: Fetcher
    selection: str
    page_size: int
    label: str = "Materials Project"
    version: str = ""

    @property
    def location(self) -> str:
        """The URL of the interface."""
        return str(self.fetcher.url)

    def read(self, cursor: str) -> Generator[Page]:
        """The pages after a cursor.

        Raises:
            CommandError: the server does not answer, or not as it should.
        """
        n_before = int(cursor or 0)
        while documents := (content := self._ask(n_before))["data"]:
            n_before += len(documents)
            yield Page.collect(
                (partial(read_document, document) for document in documents),
                cursor=str(n_before),
                total=content.get("meta", {}).get("total_doc"),
            )

    def _ask(self, n_before: int) -> Mapping[str, Any]:
        """The answer with the documents after so many."""
        parameters = f"_fields=material_id,structure&_sort_fields=material_id&deprecated=false&{self.selection}"
        page = f"_limit={self.page_size}&_skip={n_before}"
        content = self.fetcher.get(self.fetcher.follow(f"{_PATH}?{parameters}&{page}"))
        if not (isinstance(content.get("data"), list) and isinstance(content.get("meta", {}), dict)):
            raise CommandError(f"{self.fetcher.url.host} does not answer as the Materials Project does.")
        return content


def read_document(content: object) -> list[NamedAtoms]:
    """The structure of a material.

    Raises:
        SkippedError: a site is shared or partly occupied.
        FileFormatError: the document is malformed, or the structure cannot be.
    """
    document = validate(_Document, content, "document")
    structure = validate(_Structure, document.structure, document.material_id)
    if any([occupant.occu for occupant in site.species] != [1.0] for site in structure.sites):
        raise SkippedError(f"{document.material_id}: disorder")
    symbols = [site.species[0].element for site in structure.sites]
    positions = [site.xyz for site in structure.sites]
    return [build_atoms(document.material_id, symbols, positions, structure.lattice.matrix)]
