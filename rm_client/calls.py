"""Requests and how their answers are read, without sending anything: what both clients have in common."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Generic, Literal, TypedDict, TypeVar
from urllib.parse import quote

import httpx
from httpx_sse import ServerSentEvent
from pydantic import ValidationError

from rm_client.answers import (
    Answer,
    JobItem,
    JobState,
    ModelDetail,
    ModelItem,
    Nothing,
    OpinionDetail,
    Page,
    ReferenceItem,
    StartKind,
    StructureDetail,
    StructureItem,
    StructurePoints,
    TrainingCurve,
)
from rm_client.conversion import to_extxyz
from rm_client.errors import AnswerError, ClientError, explain_refusal

if TYPE_CHECKING:
    import ase

DEFAULT_URL: Final = "http://localhost:8000"
TIMEOUT_SECONDS: Final = 30.0
PATIENCE_SECONDS: Final = 60.0
POLL_SECONDS: Final = 1.0
"""Pause before a job is followed again, where the stream of its events broke."""

AnyAnswer = TypeVar("AnyAnswer", bound=Answer)
FileFormat = Literal["cif", "poscar", "extxyz", "sdf", "pymatgen", "ase-db"]


class GenerateOptions(TypedDict, total=False):
    """What ``POST /generate`` takes beside the composition; see docs/openapi.json."""

    n: int
    formula_units: int | tuple[int, int]
    boundary: Literal["crystal", "molecule"] | Mapping[Literal["periodic"], tuple[bool, bool, bool]]
    volume_per_atom: tuple[float, float]
    cell: Sequence[Sequence[float]]
    fixed_cell: bool
    fixed_volume: bool
    pressure: float
    density: float
    min_distance: float
    separations: Mapping[str, float]
    layer: tuple[float, float]
    seed_structure: Mapping[str, Any]
    relax_seed: bool
    starts: Mapping[StartKind, float]
    space_groups: int | str | Sequence[int | str]
    swaps: int
    hops: int
    generations: int
    annealing: int
    optimizer: Literal["fire", "lbfgs"]
    target: Mapping[Literal["band_gap", "formation_energy"], tuple[float, float]]
    model: str
    seed: int
    fmax: float
    max_steps: int
    match: bool


class StructureFilters(TypedDict, total=False):
    """Filters of ``GET /structures``, all of which a structure must pass, and their order; see docs/openapi.json."""

    composition: str
    chemsys: str
    elements: str
    job: str
    model: str
    model_fingerprint: str
    converged: bool
    unique: bool
    matched: bool
    kind: Literal["known", "new", "distinct", "duplicate"]
    start: StartKind
    smiles: str
    passes_checks: bool
    energy_above_hull_max: float
    opinion_job: str
    band_gap_min: float
    band_gap_max: float
    hull: bool
    sort: Literal["energy", "-energy", "energy_above_hull", "-energy_above_hull", "created", "-created"]


class TrainOptions(TypedDict, total=False):
    """What ``POST /models`` takes beside name and structures; see docs/openapi.json."""

    structure_ids: Sequence[str]
    query: StructureFilters
    recipe: Literal["new", "fine-tune"]
    base: str
    epochs: int
    seed: int


@dataclass(frozen=True)
class Call(Generic[AnyAnswer]):
    """A request and the kind of its answer.

    Attributes:
        method: of HTTP.
        path: after the URL of the service, with the query where it has one.
        answer: what the answer is read as.
        options: other arguments of :meth:`httpx.Client.request`.
    """

    method: str
    path: str
    answer: type[AnyAnswer]
    options: Mapping[str, Any] = field(default_factory=dict)

    def read(self, response: httpx.Response) -> AnyAnswer:
        """The answer in a response.

        Raises:
            ProblemError: the service refused.
            AnswerError: it is none of this service.
        """
        if response.is_error:
            raise explain_refusal(response)
        try:
            return self.answer.model_validate_json(response.content or "{}")
        except ValidationError as error:
            raise AnswerError(
                f"{response.url} gave no answer of rmatch ({response.status_code}). Check the URL, and the versions of "
                "client and service."
            ) from error


def connect(url: str, api_key: str | None, timeout_seconds: float) -> dict[str, Any]:
    """The arguments of :class:`httpx.Client` and :class:`httpx.AsyncClient`.

    Raises:
        ClientError: the URL is none.
    """
    if not url.startswith(("http://", "https://")):
        raise ClientError(f"{url[:80]!r} is no URL of a service. Give one such as {DEFAULT_URL}.")
    headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
    return {"base_url": url, "headers": headers, "timeout": timeout_seconds}


def generate(composition: str, options: GenerateOptions, idempotency_key: str | None) -> Call[JobItem]:
    """Queue a job; under its key it may be sent again and again."""
    headers = {"Idempotency-Key": idempotency_key or str(uuid.uuid4())}
    return Call("POST", "/generate", JobItem, {"json": {"composition": composition, **options}, "headers": headers})


def get_job(job_id: str) -> Call[JobItem]:
    """A job."""
    return Call("GET", _path("jobs", job_id), JobItem)


def cancel_job(job_id: str) -> Call[JobItem]:
    """Cancel a job; cancelling again changes nothing."""
    return Call("DELETE", _path("jobs", job_id), JobItem)


def list_jobs(state: JobState | None) -> Call[Page[JobItem]]:
    """The first page of the jobs."""
    return Call("GET", "/jobs", Page[JobItem], {"params": {"state": state} if state else {}})


def list_structures(filters: StructureFilters) -> Call[Page[StructureItem]]:
    """The first page of the structures."""
    return Call("GET", "/structures", Page[StructureItem], {"params": filters})


def list_points(filters: StructureFilters) -> Call[StructurePoints]:
    """Structures in columns."""
    return Call("GET", "/structures/points", StructurePoints, {"params": filters})


def get_structure(structure_id: str) -> Call[StructureDetail]:
    """A structure with its atoms."""
    return Call("GET", _path("structures", structure_id), StructureDetail, {"params": {"format": "json"}})


def list_models() -> Call[Page[ModelItem]]:
    """All models."""
    return Call("GET", "/models", Page[ModelItem])


def get_model(name: str) -> Call[ModelDetail]:
    """A model."""
    return Call("GET", _path("models", name), ModelDetail)


def train(
    name: str, structures: Sequence[ase.Atoms], options: TrainOptions, idempotency_key: str | None
) -> Call[JobItem]:
    """Queue a training; under its key it may be sent again and again."""
    files = [{"format": "extxyz", "content": to_extxyz(structures)}] if structures else []
    headers = {"Idempotency-Key": idempotency_key or str(uuid.uuid4())}
    body = {"name": name, "structures": files, **options}
    return Call("POST", "/models", JobItem, {"json": body, "headers": headers})


def ask_opinions(
    structure_ids: Sequence[str],
    query: StructureFilters | None,
    max_steps: int | None,
    idempotency_key: str | None,
) -> Call[JobItem]:
    """Queue a job that asks another potential; under its key it may be sent again and again."""
    given = {"structure_ids": list(structure_ids), "query": query, "max_steps": max_steps}
    body = {name: value for name, value in given.items() if value is not None}
    headers = {"Idempotency-Key": idempotency_key or str(uuid.uuid4())}
    return Call("POST", "/opinions", JobItem, {"json": body, "headers": headers})


def get_opinion(structure_id: str) -> Call[OpinionDetail]:
    """What another potential makes of a structure."""
    return Call("GET", f"{_path('structures', structure_id)}/opinion", OpinionDetail)


def get_curve(job_id: str) -> Call[TrainingCurve]:
    """The scores of a training."""
    return Call("GET", f"{_path('jobs', job_id)}/curve", TrainingCurve)


def upload_model(name: str, content: bytes) -> Call[ModelItem]:
    """Add a model; the very same again changes nothing."""
    headers = {"Content-Type": "application/octet-stream"}
    return Call("PUT", _path("models", name), ModelItem, {"content": content, "headers": headers})


def download_model(name: str) -> dict[str, Any]:
    """The arguments of :meth:`httpx.Client.stream` for the file of a model."""
    return {"method": "GET", "url": f"{_path('models', name)}/file"}


def delete_model(name: str) -> Call[Nothing]:
    """Delete a model."""
    return Call("DELETE", _path("models", name), Nothing)


def list_references(composition: str | None) -> Call[Page[ReferenceItem]]:
    """The first page of the known structures."""
    return Call(
        "GET", "/references", Page[ReferenceItem], {"params": {"composition": composition} if composition else {}}
    )


def add_references(name: str, content: str, format_: FileFormat, source: str) -> Call[Page[ReferenceItem]]:
    """Add known structures; those that are there already stay as they are, so it may be sent again."""
    body = {"name": name, "content": content, "format": format_, "source": source}
    return Call("POST", "/references", Page[ReferenceItem], {"json": body})


def next_page(call: Call[AnyAnswer], path: str) -> Call[AnyAnswer]:
    """The page at the path that the page before it gave."""
    return Call(call.method, path, call.answer)


def follow_job(job_id: str, last_event_id: str) -> dict[str, Any]:
    """The arguments of :func:`httpx_sse.connect_sse`: the events of a job after one that was received."""
    headers = {"Last-Event-ID": last_event_id} if last_event_id else {}
    return {"method": "GET", "url": f"{_path('jobs', job_id)}/events", "headers": headers}


def read_event(event: ServerSentEvent) -> JobItem | None:
    """The job that an event tells of, if it is one that does."""
    return JobItem.model_validate_json(event.data) if event.event == "job" else None


def _path(*parts: str) -> str:
    return "".join(f"/{quote(part, safe='')}" for part in parts)
