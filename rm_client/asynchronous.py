"""The client for asyncio: :mod:`rm_client.synchronous`, awaited. What is not said here is said there."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, Unpack

import httpx
from httpx_sse import SSEError, aconnect_sse
from tenacity import AsyncRetrying

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


class AsyncClient:
    """:class:`rm_client.Client` for asyncio.

    Its lists give :class:`rm_client.StructureItem`; the atoms come with ``await client.structure(item.id)``.
    """

    def __init__(
        self,
        url: str = calls.DEFAULT_URL,
        *,
        api_key: str | None = None,
        timeout_seconds: float = calls.TIMEOUT_SECONDS,
        patience_seconds: float = calls.PATIENCE_SECONDS,
    ) -> None:
        self._http = httpx.AsyncClient(**calls.connect(url, api_key, timeout_seconds))
        self._patience = be_patient(patience_seconds)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close its connections."""
        await self._http.aclose()

    async def generate(
        self, composition: str, *, idempotency_key: str | None = None, **options: Unpack[GenerateOptions]
    ) -> AsyncJob:
        """Queue a job."""
        return AsyncJob(self, await self._send(calls.generate(composition, options, idempotency_key)))

    async def job(self, job_id: str) -> AsyncJob:
        """A job by its id."""
        return AsyncJob(self, await self._send(calls.get_job(job_id)))

    async def cancel(self, job_id: str) -> JobItem:
        """Cancel a job by its id."""
        return await self._send(calls.cancel_job(job_id))

    async def jobs(self, state: JobState | None = None) -> AsyncIterator[AsyncJob]:
        """The jobs, newest first."""
        async for item in self._pages(calls.list_jobs(state)):
            yield AsyncJob(self, item)

    def structures(self, **filters: Unpack[StructureFilters]) -> AsyncIterator[StructureItem]:
        """The structures that pass all filters, page after page as they are asked for."""
        return self._pages(calls.list_structures(filters))

    async def structure(self, structure_id: str) -> StructureDetail:
        """A structure with its atoms, by its id."""
        return await self._send(calls.get_structure(structure_id))

    async def points(self, **filters: Unpack[StructureFilters]) -> StructurePoints:
        """The first ten thousand structures that pass all filters, in columns."""
        return await self._send(calls.list_points(filters))

    async def data_frame(self, **filters: Unpack[StructureFilters]) -> pd.DataFrame:
        """The structures that pass all filters in a pandas data frame, a row each, by id."""
        return to_data_frame([item async for item in self.structures(**filters)])

    async def export(self, path: Path | str, **filters: Unpack[StructureFilters]) -> None:
        """Write all structures that pass the filters into a file, which is there when it is whole."""
        path = Path(path)
        await AsyncRetrying(**self._patience)(self._download, export_structures(path, filters), path)

    async def _download(self, request: dict[str, Any], path: Path) -> None:
        try:
            async with self._http.stream(**request) as response:
                if response.is_error:
                    await response.aread()
                    raise explain_refusal(response)
                with arriving(path) as file:
                    async for piece in response.aiter_bytes():
                        file.write(piece)
        except httpx.TransportError as error:
            raise UnreachableError.of(self._http.base_url, error) from error

    async def models(self) -> list[ModelItem]:
        """The models that can be asked for."""
        return (await self._send(calls.list_models())).items

    async def model(self, name: str) -> ModelDetail:
        """A model with all that is on record."""
        return await self._send(calls.get_model(name))

    async def train(
        self,
        name: str,
        structures: Sequence[ase.Atoms] = (),
        *,
        idempotency_key: str | None = None,
        **options: Unpack[TrainOptions],
    ) -> AsyncJob:
        """Queue the training of a model of one's own."""
        return AsyncJob(self, await self._send(calls.train(name, structures, options, idempotency_key)))

    async def ask_opinions(
        self,
        structure_ids: Sequence[str] = (),
        *,
        query: StructureFilters | None = None,
        max_steps: int | None = None,
        idempotency_key: str | None = None,
    ) -> AsyncJob:
        """Queue a job in which CHGNet relaxes structures and says what energy they have."""
        return AsyncJob(self, await self._send(calls.ask_opinions(structure_ids, query, max_steps, idempotency_key)))

    async def opinion(self, structure_id: str) -> OpinionDetail:
        """What another potential makes of a structure, with the atoms as it has relaxed them."""
        return await self._send(calls.get_opinion(structure_id))

    async def curve(self, job_id: str) -> TrainingCurve:
        """The scores of a training, epoch by epoch, so far or in the end."""
        return await self._send(calls.get_curve(job_id))

    async def upload_model(self, name: str, content: bytes) -> ModelItem:
        """Add a model, as a file of :meth:`download_model` holds it, under a name."""
        return await self._send(calls.upload_model(name, content))

    async def download_model(self, name: str, path: Path | str) -> None:
        """Write a model into a file ``*.safetensors``, which ``rm_engine.load_model`` reads."""
        await AsyncRetrying(**self._patience)(self._download, calls.download_model(name), Path(path))

    async def delete_model(self, name: str) -> None:
        """Delete a model of one's own; structures that it made stay."""
        await self._send(calls.delete_model(name))

    def references(self, composition: str | None = None) -> AsyncIterator[ReferenceItem]:
        """The known structures, of a composition or all."""
        return self._pages(calls.list_references(composition))

    async def add_references(
        self, name: str, content: str, file_format: FileFormat, source: str = ""
    ) -> list[ReferenceItem]:
        """Add the structures in the text of a file to the known ones."""
        return (await self._send(calls.add_references(name, content, file_format, source))).items

    async def follow(self, job_id: str) -> AsyncIterator[JobItem]:
        """A job whenever it has changed, until it is over."""
        last_event_id = ""
        while True:
            try:
                async with aconnect_sse(self._http, **calls.follow_job(job_id, last_event_id)) as source:
                    async for event in source.aiter_sse():
                        last_event_id = event.id
                        if job := calls.read_event(event):
                            yield job
                            if job.is_over:
                                return
            except (httpx.TransportError, SSEError):
                pass  # whatever it is, asking tells
            job = await self._send(calls.get_job(job_id))
            yield job
            if job.is_over:
                return
            await asyncio.sleep(calls.POLL_SECONDS)

    async def _send(self, call: Call[AnyAnswer]) -> AnyAnswer:
        return await AsyncRetrying(**self._patience)(self._try, call)

    async def _try(self, call: Call[AnyAnswer]) -> AnyAnswer:
        try:
            response = await self._http.request(call.method, call.path, **call.options)
        except httpx.TransportError as error:
            raise UnreachableError.of(self._http.base_url, error) from error
        return call.read(response)

    async def _pages(self, call: Call[Page[Item]]) -> AsyncIterator[Item]:
        page = await self._send(call)
        while True:
            for item in page.items:
                yield item
            if page.next is None:
                return
            page = await self._send(calls.next_page(call, page.next))


class AsyncJob:
    """A job of the service.

    Attributes:
        item: the job as it was when last heard of.
    """

    def __init__(self, client: AsyncClient, item: JobItem) -> None:
        self._client = client
        self.item = item

    @property
    def id(self) -> str:
        """Its id."""
        return self.item.id

    async def wait(self, *, progress: bool = True) -> Self:
        """Wait until it is over, with a progress bar on standard error.

        Raises:
            JobEndedError: it failed or was cancelled.
        """
        with show_progress(shown=progress) as show:
            async for item in self._client.follow(self.id):
                self.item = item
                show(item)
        if self.item.state != "succeeded":
            raise JobEndedError(self.item)
        return self

    async def cancel(self) -> Self:
        """Cancel it; what it has found so far stays.

        Raises:
            ConflictError: it has succeeded or failed.
        """
        self.item = await self._client.cancel(self.id)
        return self

    def structures(self, **filters: Unpack[StructureFilters]) -> AsyncIterator[StructureItem]:
        """Its structures that pass all filters; those so far, while it runs."""
        chosen: StructureFilters = {**filters, "job": self.id}
        return self._client.structures(**chosen)
