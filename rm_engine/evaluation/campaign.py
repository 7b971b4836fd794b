"""Many independent tasks: done by one process or several, kept as they come, with the same results either way."""

from __future__ import annotations

import os
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context, parent_process
from typing import Any, ClassVar, Generic, TypeVar

import torch

from rm_engine.evaluation.journal import Journal

Task = TypeVar("Task")
Result = dict[str, Any]
"""Plain values for JSON."""


class Campaign(ABC, Generic[Task]):
    """What a process needs to do any task of a campaign; travels to other processes, so it is kept plain."""

    @property
    @abstractmethod
    def tasks(self) -> Sequence[Task]:
        """Every task, in the order of the results."""

    @abstractmethod
    def identify(self, task: Task) -> dict[str, Any]:
        """Everything that the result depends on, as plain values for JSON."""

    @abstractmethod
    def prepare(self) -> Callable[[Task], Result]:
        """Load what the tasks need and return what does one of them; called once in a process."""


OnResult = Callable[[int, Result], None]
"""Called with the number of results that are there and the latest; what it raises ends the campaign."""


def run_campaign(
    campaign: Campaign[Task], *, journal: Journal | None = None, n_workers: int = 1, on_result: OnResult | None = None
) -> list[Result]:
    """Do every task that the journal does not hold yet, and return all results in the order of the tasks.

    Args:
        campaign: what to do.
        journal: where results are kept as they come.
        n_workers: processes, each with one thread; 1 works in this one.
        on_result: called for every result, first for those that the journal holds.
    """
    journal = journal or Journal(None)
    tasks = campaign.tasks
    results = {index: found for index, task in enumerate(tasks) if (found := journal.find(campaign.identify(task)))}
    report = on_result or (lambda _n_done, _result: None)
    for n_done, result in enumerate(results.values(), start=1):
        report(n_done, result)
    pending = {index: task for index, task in enumerate(tasks) if index not in results}
    work = _work_here if n_workers == 1 else _work_in_processes
    for index, result in work(campaign, pending, n_workers) if pending else ():
        journal.keep(campaign.identify(tasks[index]), result)
        results[index] = result
        report(len(results), result)
    return [results[index] for index in range(len(tasks))]


def _work_here(campaign: Campaign[Task], pending: dict[int, Task], _n_workers: int) -> Iterator[tuple[int, Result]]:
    do = campaign.prepare()
    for index, task in pending.items():
        yield index, do(task)


def _work_in_processes(
    campaign: Campaign[Task], pending: dict[int, Task], n_workers: int
) -> Iterator[tuple[int, Result]]:
    with ProcessPoolExecutor(
        min(n_workers, len(pending)), get_context("spawn"), _start_process, (campaign,)
    ) as executor:
        try:
            futures = {executor.submit(_do_in_process, task): index for index, task in pending.items()}
            for future in as_completed(futures):
                yield futures[future], future.result()
        finally:
            executor.shutdown(cancel_futures=True)


class _Process:
    """What one of several processes has been given, and what it has loaded for its tasks."""

    campaign: ClassVar[Campaign[Any]]
    do: ClassVar[Callable[[Any], Result] | None] = None


def _start_process(campaign: Campaign[Any]) -> None:
    threading.Thread(target=_end_with_parent, daemon=True).start()
    torch.set_num_threads(1)
    _Process.campaign = campaign


def _do_in_process(task: Any) -> Result:  # noqa: ANN401  # a task of the campaign that the process was started for
    """Prepares with the first task: what goes wrong then is told like any error of a task."""
    if _Process.do is None:
        _Process.do = staticmethod(_Process.campaign.prepare())
    return _Process.do(task)


def _end_with_parent() -> None:
    """A process whose parent was killed would wait for its next task for ever."""
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
