"""The client."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, Unpack

import httpx
from httpx_sse import SSEError, connect_sse
from pydantic import PrivateAttr
from tenacity import Retrying

from rm_client import calls
from rm_client.answers import (
    Item,
    JobItem,
    JobState,
    ModelDetail,
    ModelItem,
    OpinionDetail,
    Page,
    ReferenceItem,
    StructureDetail,
    StructureItem,
    StructurePoints,
    TrainingCurve,
)
from rm_client.calls import AnyAnswer, Call, FileFormat, GenerateOptions, StructureFilters, TrainOptions
from rm_client.conversion import to_data_frame
from rm_client.downloads import arriving, export_structures
from rm_client.errors import JobEndedError, UnreachableError, explain_refusal
from rm_client.patience import be_patient
from rm_client.progress import show_progress

if TYPE_CHECKING:
    import ase
    import pandas as pd
    from pymatgen.core.structure import Structure as PymatgenStructure


class Client:
    """Talks to the service at a URL; a context manager, and safe to share between threads.

    What may pass is tried again: 429 and 503 when the service says, lost connections after longer and longer pauses.
    Every method raises :class:`rm_client.ClientError`, of one of its classes.

    Args:
        url: of the service.
        api_key: where it wants one, see ``rmatch keys create``.
        timeout_seconds: for a single answer.
        patience_seconds: how long a request is tried again; 0 tries once.
    """

    def __init__(
        self,
        url: str = calls.DEFAULT_URL,
        *,
        api_key: str | None = None,
        timeout_seconds: float = calls.TIMEOUT_SECONDS,
        patience_seconds: float = calls.PATIENCE_SECONDS,
    ) -> None:
        self._http = httpx.Client(**calls.connect(url, api_key, timeout_seconds))
        self._patience = be_patient(patience_seconds)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close its connections."""
        self._http.close()

    def generate(
        self, composition: str, *, idempotency_key: str | None = None, **options: Unpack[GenerateOptions]
    ) -> Job:
        """Queue a job.

        Args:
            composition: formula such as ``LiS2``, or chemical system such as ``Li-S``.
            idempotency_key: the same request under the same key gives the same job; a new key unless given.
            options: see :class:`rm_client.calls.GenerateOptions`.
        """
        return Job(self, self._send(calls.generate(composition, options, idempotency_key)))

    def job(self, job_id: str) -> Job:
        """A job by its id."""
        return Job(self, self._send(calls.get_job(job_id)))

    def cancel(self, job_id: str) -> JobItem:
        """Cancel a job by its id."""
        return self._send(calls.cancel_job(job_id))

    def jobs(self, state: JobState | None = None) -> Iterator[Job]:
        """The jobs, newest first."""
        return (Job(self, item) for item in self._pages(calls.list_jobs(state)))

    def structures(self, **filters: Unpack[StructureFilters]) -> Iterator[Structure]:
        """The structures that pass all filters, page after page as they are asked for."""
        return (Structure.of(item, self) for item in self._pages(calls.list_structures(filters)))

    def structure(self, structure_id: str) -> StructureDetail:
        """A structure with its atoms, by its id."""
        return self._send(calls.get_structure(structure_id))

    def points(self, **filters: Unpack[StructureFilters]) -> StructurePoints:
        """The first ten thousand structures that pass all filters, in columns: what figures are drawn of."""
        return self._send(calls.list_points(filters))

    def data_frame(self, **filters: Unpack[StructureFilters]) -> pd.DataFrame:
        """The structures that pass all filters in a pandas data frame, a row each, by id."""
        return to_data_frame(self.structures(**filters))

    def export(self, path: Path | str, **filters: Unpack[StructureFilters]) -> None:
        """Write all structures that pass the filters into a file, which is there when it is whole.

        Args:
            path: ends with ``.extxyz``, ``.jsonl``, ``.zip`` (a CIF for each) or ``.db`` (of ASE).
            filters: and the order.
        """
        path = Path(path)
        Retrying(**self._patience)(self._download, export_structures(path, filters), path)

    def _download(self, request: dict[str, Any], path: Path) -> None:
        try:
            with self._http.stream(**request) as response:
                if response.is_error:
                    response.read()
                    raise explain_refusal(response)
                with arriving(path) as file:
                    for piece in response.iter_bytes():
                        file.write(piece)
        except httpx.TransportError as error:
            raise UnreachableError.of(self._http.base_url, error) from error

    def models(self) -> list[ModelItem]:
        """The models that can be asked for."""
        return self._send(calls.list_models()).items

    def model(self, name: str) -> ModelDetail:
        """A model with all that is on record."""
        return self._send(calls.get_model(name))

    def train(
        self,
        name: str,
        structures: Sequence[ase.Atoms] = (),
        *,
        idempotency_key: str | None = None,
        **options: Unpack[TrainOptions],
    ) -> Job:
        """Queue the training of a model of one's own.

        Args:
            name: of the model.
            structures: at rest, crystals or molecules; one is enough.
            idempotency_key: the same request under the same key gives the same job; a new key unless given.
            options: see :class:`rm_client.calls.TrainOptions`.
        """
        return Job(self, self._send(calls.train(name, structures, options, idempotency_key)))

    def ask_opinions(
        self,
        structure_ids: Sequence[str] = (),
        *,
        query: StructureFilters | None = None,
        max_steps: int | None = None,
        idempotency_key: str | None = None,
    ) -> Job:
        """Queue a job in which CHGNet relaxes structures and says what energy they have.

        Args:
            structure_ids: of the structures.
            query: filters; what passes them is asked about as well.
            max_steps: most relaxation steps for a structure.
            idempotency_key: the same request under the same key gives the same job; a new key unless given.
        """
        return Job(self, self._send(calls.ask_opinions(structure_ids, query, max_steps, idempotency_key)))

    def opinion(self, structure_id: str) -> OpinionDetail:
        """What another potential makes of a structure, with the atoms as it has relaxed them."""
        return self._send(calls.get_opinion(structure_id))

    def curve(self, job_id: str) -> TrainingCurve:
        """The scores of a training, epoch by epoch, so far or in the end."""
        return self._send(calls.get_curve(job_id))

    def upload_model(self, name: str, content: bytes) -> ModelItem:
        """Add a model, as a file of :meth:`download_model` holds it, under a name."""
        return self._send(calls.upload_model(name, content))

    def download_model(self, name: str, path: Path | str) -> None:
        """Write a model into a file ``*.safetensors``, which ``rm_engine.load_model`` reads."""
        Retrying(**self._patience)(self._download, calls.download_model(name), Path(path))

    def delete_model(self, name: str) -> None:
        """Delete a model of one's own; structures that it made stay."""
        self._send(calls.delete_model(name))

    def references(self, composition: str | None = None) -> Iterator[ReferenceItem]:
        """The known structures, of a composition or all."""
        return self._pages(calls.list_references(composition))

    def add_references(self, name: str, content: str, file_format: FileFormat, source: str = "") -> list[ReferenceItem]:
        """Add the structures in the text of a file to the known ones.

        Args:
            name: what people call it.
            content: text of the file; of a database of ASE, Base64 of it.
            file_format: what it is.
            source: where it comes from, e.g. a citation.
        """
        return self._send(calls.add_references(name, content, file_format, source)).items

    def follow(self, job_id: str) -> Iterator[JobItem]:
        """A job whenever it has changed, until it is over: by its events, and asked for where they break off."""
        last_event_id = ""
        while True:
            try:
                with connect_sse(self._http, **calls.follow_job(job_id, last_event_id)) as source:
                    for event in source.iter_sse():
                        last_event_id = event.id
                        if job := calls.read_event(event):
                            yield job
                            if job.is_over:
                                return
            except (httpx.TransportError, SSEError):
                pass  # whatever it is, asking tells
            job = self._send(calls.get_job(job_id))
            yield job
            if job.is_over:
                return
            time.sleep(calls.POLL_SECONDS)

    def _send(self, call: Call[AnyAnswer]) -> AnyAnswer:
        answer: AnyAnswer = Retrying(**self._patience)(self._try, call)
        return answer

    def _try(self, call: Call[AnyAnswer]) -> AnyAnswer:
        try:
            response = self._http.request(call.method, call.path, **call.options)
        except httpx.TransportError as error:
            raise UnreachableError.of(self._http.base_url, error) from error
        return call.read(response)

    def _pages(self, call: Call[Page[Item]]) -> Iterator[Item]:
        page = self._send(call)
        while True:
            yield from page.items
            if page.next is None:
                return
            page = self._send(calls.next_page(call, page.next))


class Job:
    """A job of the service.

    Attributes:
        item: the job as it was when last heard of.
    """

    def __init__(self, client: Client, item: JobItem) -> None:
        self._client = client
        self.item = item

    @property
    def id(self) -> str:
        """Its id."""
        return self.item.id

    def wait(self, *, progress: bool = True) -> Self:
        """Wait until it is over, with a progress bar on standard error.

        Raises:
            JobEndedError: it failed or was cancelled.
        """
        with show_progress(shown=progress) as show:
            for item in self._client.follow(self.id):
                self.item = item
                show(item)
        if self.item.state != "succeeded":
            raise JobEndedError(self.item)
        return self

    def cancel(self) -> Self:
        """Cancel it; what it has found so far stays.

        Raises:
            ConflictError: it has succeeded or failed.
        """
        self.item = self._client.cancel(self.id)
        return self

    def structures(self, **filters: Unpack[StructureFilters]) -> Iterator[Structure]:
        """Its structures that pass all filters; those so far, while it runs."""
        chosen: StructureFilters = {**filters, "job": self.id}
        return self._client.structures(**chosen)


class Structure(StructureItem):
    """A structure; its atoms are asked for on first use."""

    _client: Client = PrivateAttr()

    @classmethod
    def of(cls, item: StructureItem, client: Client) -> Self:
        """The structure of an answer, with what its atoms are asked for."""
        structure = cls.model_construct(**dict(item))
        structure._client = client
        return structure

    @cached_property
    def detail(self) -> StructureDetail:
        """The structure with its atoms."""
        return self._client.structure(self.id)

    @property
    def atoms(self) -> ase.Atoms:
        """The structure for ASE."""
        return self.detail.atoms

    @property
    def structure(self) -> PymatgenStructure:
        """The crystal for pymatgen.

        Raises:
            ValueError: it is no crystal.
        """
        return self.detail.structure
