"""``/structures``."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from rm_engine.errors import InputError
from rm_engine.spec import StartKind, parse_formula
from rm_engine.spec.limits import MAX_ELEMENTS
from rm_engine.units import ATOMIC_NUMBERS
from service.api.access import Reader
from service.api.contract import may_answer
from service.api.examples import describe_file
from service.api.exports import respond_with_file
from service.api.negotiation import CRYSTAL_FORMATS, MEDIA_TYPES, MOLECULE_FORMATS, StructureFormat, choose_format
from service.api.paging import Cursor, Limit, decode_cursor, next_path, page_size, refuse_cursor
from service.api.requests import FORMULA_SCHEMA, PRINTABLE, StructureId
from service.api.schemas import StructureDetail, StructureItem, StructurePage, StructurePoints
from service.api.services import Use
from service.domain import NotFoundError
from service.domain.ids import JOB_ID_PATTERN, is_structure_id
from service.domain.views import StructureKind, StructureOrder, StructureQuery
from service.settings import Settings

router = APIRouter(prefix="/structures", tags=["structures"])

_MAX_POINTS: Final = 10_000
_PASSED_ON: Final = {
    "job", "model", "model_fingerprint", "start", "smiles", "passes_checks", "converged", "unique", "matched", "kind",
    "energy_above_hull_max", "band_gap_min", "band_gap_max", "opinion_job",
}  # fmt: skip


class StructureFilters(BaseModel):
    """Filters, all of which a structure must pass; their order."""

    model_config = ConfigDict(extra="forbid")

    composition: str | None = Field(
        None, description="Any formula; compared reduced.", examples=["LiS2"], json_schema_extra=FORMULA_SCHEMA
    )
    chemsys: str | None = Field(None, description="Exactly these elements.", examples=["Li-S"])
    elements: str | None = Field(None, description="At least these elements.", examples=["Li,S"])
    job: str | None = Field(None, description="Id of the job that found it.", pattern=f"^{JOB_ID_PATTERN}$")
    model: str | None = Field(
        None, min_length=1, max_length=100, pattern=PRINTABLE, description="Name of the model that relaxed it."
    )
    converged: bool | None = Field(None, description="Whether the relaxation converged.")
    unique: bool | None = Field(None, description="First of its kind in its job, or a duplicate.")
    matched: bool | None = Field(None, description="The same as a known structure, or not.")
    kind: StructureKind | None = Field(
        None,
        description="`known` or `new`, and no duplicate as far as is known by now; `distinct`: either of them; "
        "`duplicate`: it repeats another one of its job.",
    )
    model_fingerprint: str | None = Field(
        None, pattern="^[0-9a-f]{1,64}$", description="Only what these very weights made, see GET /models."
    )
    start: StartKind | None = Field(None, description="Kind of start that it was relaxed from.")
    smiles: str | None = Field(
        None,
        min_length=1,
        max_length=500,
        pattern=PRINTABLE,
        description="Exactly this canonical SMILES, as `molecule.smiles` gives it (percent-encoded: `#` ends a URL).",
        examples=["CCO"],
    )
    passes_checks: bool | None = Field(None, description="Molecules that pass all their checks, or that do not.")
    energy_above_hull_max: float | None = Field(
        None, allow_inf_nan=False, description="At most so far above the hull, per atom, of each model's `energy_kind`."
    )
    band_gap_min: float | None = Field(
        None, ge=0, allow_inf_nan=False, description="The estimate of the band gap is so large at least, eV."
    )
    band_gap_max: float | None = Field(
        None, ge=0, allow_inf_nan=False, description="The estimate of the band gap is so large at most, eV."
    )
    opinion_job: str | None = Field(
        None, description="Id of the job that asked another potential about it.", pattern=f"^{JOB_ID_PATTERN}$"
    )
    hull: bool | None = Field(None, description="On the hull of its chemical system and model, or above.")
    sort: Literal["energy", "-energy", "energy_above_hull", "-energy_above_hull", "created", "-created"] = Field(
        "-created",
        description="`energy` is the one that `energy_kind` names. No two models compare, so filter by `model`.",
    )

    def to_query(self, group: str, *, limit: int, after: tuple[Any, str] | None = None) -> StructureQuery:
        """The query to run, over the structures of a group.

        Raises:
            InputError: a formula or an element is not one.
        """
        return StructureQuery(
            group=group,
            **self.model_dump(include=_PASSED_ON),
            reduced_formula=None if self.composition is None else parse_formula(self.composition).reduced,
            chemsys=None if self.chemsys is None else "-".join(_parse_elements(self.chemsys, "-", "chemsys")),
            elements=() if self.elements is None else _parse_elements(self.elements, ",", "elements"),
            on_hull=self.hull,
            order=self.order,
            descending=self.sort.startswith("-"),
            after=after,
            limit=limit,
        )

    @property
    def order(self) -> StructureOrder:
        """What ``sort`` goes by."""
        return StructureOrder(self.sort.removeprefix("-"))


class StructureListing(StructureFilters):
    """Filters of the list, its order, its page."""

    limit: Limit = None
    cursor: Cursor = None

    def to_page_query(self, settings: Settings, group: str) -> StructureQuery:
        """The query for the page.

        Raises:
            InputError: a formula, an element, the length of the page or the cursor is not one.
        """
        after = None if self.cursor is None else read_cursor(self.cursor, self.sort, self.order)
        return self.to_query(group, limit=page_size(self.limit, settings), after=after)


def read_cursor(cursor: str, sort: str, order: StructureOrder) -> tuple[Any, str]:
    """The key that the page before ended with: the value that the list is in order of, and the id.

    Raises:
        InputError: the cursor is none of a list in this order.
    """
    kind = str if order is StructureOrder.CREATED else (float, type(None))
    found_sort, value, last_id = decode_cursor(cursor, str, kind, str)
    if found_sort != sort or not is_structure_id(last_id):
        raise refuse_cursor(cursor)
    return (last_id if order is StructureOrder.CREATED else value), last_id


@router.get("", response_model=StructurePage)
def list_structures(
    request: Request, services: Use, principal: Reader, filters: Annotated[StructureListing, Query()]
) -> Response:
    """Structures that pass all filters."""
    query = filters.to_page_query(services.settings, principal.group)
    with services.store.reading() as tx:
        page = tx.structure_views.search(query)
    key = page.next_key and [filters.sort, *page.next_key]
    answer = StructurePage(items=[StructureItem.of(view) for view in page.items], next=next_path(request, key))
    return Response(answer.model_dump_json(), media_type=MEDIA_TYPES["json"])  # validated and written once, not twice


@router.get("/points", response_model=StructurePoints)
def list_points(services: Use, principal: Reader, filters: Annotated[StructureFilters, Query()]) -> Response:
    """The first ten thousand structures that pass all filters, in columns: what figures are drawn of."""
    with services.store.reading() as tx:
        columns, is_complete = tx.structure_views.points(filters.to_query(principal.group, limit=_MAX_POINTS))
    answer = StructurePoints.of(columns, is_complete=is_complete)
    return Response(answer.model_dump_json(), media_type=MEDIA_TYPES["json"])


_FILES: Final[dict[str, Any]] = {
    media_type: describe_file(media_type) for format_, media_type in MEDIA_TYPES.items() if format_ != "json"
}


@router.get(
    "/{structure_id}",
    response_model=StructureDetail,
    responses={200: {"content": _FILES}, **may_answer(406)},
)
def get_structure(
    structure_id: StructureId,
    request: Request,
    services: Use,
    principal: Reader,
    format: Annotated[StructureFormat | None, Query(description="Instead of what `Accept` says.")] = None,  # noqa: A002  the field's name
) -> Any:  # noqa: ANN401  the model, or a response of its own
    """A structure with its atoms, by ``format`` or ``Accept``: JSON, extended XYZ, JSON of pymatgen or a database of
    ASE; crystals also as CIF or POSCAR, molecules also as SDF, with bonds where they could be perceived, or plain XYZ.
    """
    if not is_structure_id(structure_id):
        raise NotFoundError("structure", structure_id)
    with services.store.reading() as tx:
        view = tx.structure_views.get(structure_id, principal.group)
    offered = MOLECULE_FORMATS if view.is_molecule else CRYSTAL_FORMATS
    chosen = format or choose_format(request.headers.get("accept", "*/*"), offered)
    return StructureDetail.of(view) if chosen == "json" else respond_with_file(view, chosen)


def _parse_elements(text: str, separator: str, field: str) -> tuple[str, ...]:
    """Distinct element symbols in alphabetical order."""
    symbols = {symbol.strip() for symbol in text.split(separator, MAX_ELEMENTS)}
    for symbol in symbols:
        if symbol not in ATOMIC_NUMBERS:
            hint = f"Give at most {MAX_ELEMENTS} symbols such as Li{separator}S."
            raise InputError("unknown_element", field, text, f"{symbol[:20]!r} is not an element", hint)
    return tuple(sorted(symbols))
