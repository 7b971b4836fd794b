"""Parameters of requests, as OPTIMADE names them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal

from pydantic import BaseModel, Field

from service.api.structures import read_cursor
from service.domain.filters import ALL_STRUCTURES
from service.domain.views import StructureQuery
from service.optimade.catalog import ORDERS, PROPERTIES, UNSUPPORTED, is_foreign, unknown_property
from service.optimade.filters import FilterReader
from service.optimade.grammar import not_implemented
from service.optimade.tokens import MAX_LENGTH
from service.settings import Settings

_OTHER_PAGING: Final = ("page_offset", "page_number", "page_above", "page_below")


class EntryParameters(BaseModel):
    """Parameters of what answers with structures; OPTIMADE ignores all others."""

    response_fields: str | None = Field(
        None,
        max_length=2000,
        description="Only these properties, separated by commas; all unless given.",
        examples=["chemical_formula_reduced,_rmatch_energy_above_hull"],
    )
    response_format: Literal["json"] = Field("json", description="There is no other.")
    include: str = Field(
        "references", pattern="^(references)?$", description="`references`, of which there are none, or empty."
    )
    email_address: str = Field("", max_length=200, description="Of who asks; not looked at.")
    api_hint: str = Field("", max_length=20, description="Not looked at: the version stands in the path.")

    def choose(self) -> Fields:
        """The properties to give.

        Raises:
            InputError: one of them is neither OPTIMADE's nor ours.
        """
        if self.response_fields is None:
            return Fields(tuple(PROPERTIES), ())
        names = dict.fromkeys(filter(None, map(str.strip, self.response_fields.split(","))))
        foreign = tuple(name for name in names if is_foreign(name))
        for name in names:
            if name not in foreign and name not in PROPERTIES and name not in UNSUPPORTED:
                raise unknown_property("response_fields", name)
        return Fields(tuple(names), foreign)


@dataclass(frozen=True)
class Fields:
    """Names of properties to give, and which of them are other databases'."""

    names: tuple[str, ...]
    foreign: tuple[str, ...]

    @property
    def need_atoms(self) -> bool:
        """Whether one of them follows from the atoms."""
        return any(name in PROPERTIES and PROPERTIES[name].needs_atoms for name in self.names)


class ListParameters(EntryParameters):
    """Parameters of the list of structures."""

    filter: str | None = Field(
        None,
        max_length=MAX_LENGTH,
        description="In the filter language of OPTIMADE.",
        examples=['elements HAS ALL "Li","S" AND _rmatch_energy_above_hull<0.01'],
    )
    page_limit: int | None = Field(None, ge=1, description="Most entries on the page; the operator may allow fewer.")
    page_cursor: str | None = Field(None, max_length=1000, description="Follow `links.next`.")
    sort: str = Field(
        "id",
        pattern=f"^-?({'|'.join(ORDERS)})$",
        description="A property that is `sortable`, after a minus for the largest first.",
        examples=["-_rmatch_energy_above_hull"],
    )

    def to_query(self, settings: Settings, group: str, reader: FilterReader) -> StructureQuery:
        """The query to run, over the structures of a group; the reader notes other databases' properties.

        Raises:
            InputError: the filter or the cursor is none.
            HTTPException: 501, the filter asks for an optional part.
        """
        order = ORDERS[self.sort.removeprefix("-")]
        return StructureQuery(
            group=group,
            where=reader.read(self.filter) if self.filter else ALL_STRUCTURES,
            order=order,
            descending=self.sort.startswith("-"),
            after=None if self.page_cursor is None else read_cursor(self.page_cursor, self.sort, order),
            limit=min(self.page_limit or settings.default_page_size, settings.max_page_size),
        )


def check_paging(names: Iterable[str]) -> None:
    """Raise 501 for a way to turn pages that there is not."""
    for name in set(names).intersection(_OTHER_PAGING):
        raise not_implemented(f"{name} (follow links.next)")
