"""Structures that a request chooses among those found before."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import BaseModel, Field, StrictStr

from rm_engine.errors import InputError
from service.api.structures import StructureFilters
from service.domain import NotFoundError, Principal
from service.domain.ids import STRUCTURE_ID_PATTERN
from service.domain.views import StructureView
from service.store import Transaction

_MOST: Final = 1000


class StructureSelection(BaseModel):
    """Structures by their ids, by filters, or both."""

    structure_ids: list[Annotated[StrictStr, Field(pattern=f"^{STRUCTURE_ID_PATTERN}$")]] = Field(
        [],
        max_length=_MOST,
        description="Ids of structures that were found before.",
        examples=[["01m82bdrpfe9r60xv08f1264tt-00003"]],
    )
    query: StructureFilters | None = Field(
        None,
        description="Filters of `GET /structures`: those that pass them, the first thousand in their order, "
        "converged ones only.",
    )

    def find(self, tx: Transaction, principal: Principal) -> list[StructureView]:
        """The structures, of the group of whoever asks, without their atoms.

        Raises:
            InputError: there is no structure of an id.
        """
        try:
            views = tx.structure_views.of_ids(self.structure_ids, principal.group)
        except NotFoundError as error:
            hint = "Give ids as GET /structures lists them."
            raise InputError("unknown_structure", "structure_ids", error.key, str(error), hint) from error
        if self.query is not None:
            filters = self.query.model_copy(update={"converged": True})
            views += tx.structure_views.search(filters.to_query(principal.group, limit=_MOST)).items
        return views
