"""A hundred requests a second for minutes, with workers busy beside: on real servers, and on one data directory."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from secrets import token_hex
from time import sleep
from typing import Final

from sqlalchemy import func, select

from benchmarks.deployment import Deployment, deploy, make_headers
from benchmarks.population import draw_campaigns, fill
from benchmarks.report import Row, show
from benchmarks.traffic import Traffic, drive, milliseconds
from benchmarks.users import COMPOSITIONS, Users
from rm_engine.spec import GenerationSpec
from service.domain import PUBLIC_GROUP, JobState
from service.jobs import announce_due_chunks, submit_job
from service.queue import ChunkQueue
from service.settings import Settings
from service.store import Store
from service.store.tables import structures
from tests.servers import HOST, run_postgres, run_redis, wait_until

_WARM_UP_SHARE: Final = 0.05
_WAKE_SECONDS: Final = 120.0
_N_IDS: Final = 2000


def run(minutes: float = 3.0, n_structures: int = 100_000, rate: float = 100.0, n_workers: int = 2) -> Iterator[Row]:
    """Load the service on servers for minutes over a filled database, then the embedded one for a fifth of the time.

    Args:
        minutes: length of the first run.
        n_structures: stored before it begins.
        rate: requests a second.
        n_workers: worker processes.
    """
    with run_postgres() as postgres, run_redis() as broker, postgres.new_database() as url:
        fill(url, draw_campaigns(n_structures, n_structures // 10))
        settings = Settings(database_url=url, broker_url=broker.url, key_secret=token_hex())
        yield from _load(settings, 60 * minutes, rate, n_workers, "PostgreSQL and Redis")
    with tempfile.TemporaryDirectory() as folder:
        yield from _load(
            Settings(data_dir=Path(folder)), 12 * minutes, rate, n_workers, "SQLite and the queue of files"
        )


def _load(settings: Settings, seconds: float, rate: float, n_workers: int, what: str) -> Iterator[Row]:
    with deploy(settings, n_workers) as service, closing(Store(settings.resolved_database_url)) as store:
        _wake_workers(store, settings)
        users = _find_users(store, make_headers(store, settings))
        drive(HOST, service.port, users.calls(), rate / 4, _WARM_UP_SHARE * seconds)
        yield from _measure(service, store, users, rate, seconds, what)


def _wake_workers(store: Store, settings: Settings) -> None:
    """Have a job of every composition done: then models are loaded, and there are structures to ask for."""
    job_ids = [submit_job(store, GenerationSpec(composition=composition, n=4)) for composition in COMPOSITIONS]
    with closing(ChunkQueue(settings)) as queue:
        announce_due_chunks(store, queue.announce, settings.reannounce_seconds)

    def are_done() -> bool:
        with store.reading() as tx:
            return all(tx.job_views.get(job_id, PUBLIC_GROUP).state is JobState.SUCCEEDED for job_id in job_ids)

    wait_until(are_done, "the first jobs are done", _WAKE_SECONDS)


def _find_users(store: Store, headers: Mapping[str, str]) -> Users:
    """Users of the jobs and structures that are there."""
    with store.reading() as tx:
        found = list(tx.connection.scalars(select(structures.c.id).order_by(structures.c.id)))
    chosen = random.Random(0).sample(found, min(_N_IDS, len(found)))
    return Users(jobs=sorted({key.rpartition("-")[0] for key in chosen}), structures=chosen, headers=headers)


def _measure(service: Deployment, store: Store, users: Users, rate: float, seconds: float, what: str) -> Iterator[Row]:
    n_before, cpu_before = _count_structures(store), service.cpu_seconds()
    with ThreadPoolExecutor(1) as pool:
        memory: Future[list[float]] = pool.submit(_watch_memory, service, seconds)
        traffic = drive(HOST, service.port, users.calls(), rate, seconds)
    n_made = _count_structures(store) - n_before
    cpu = {name: spent - cpu_before[name] for name, spent in service.cpu_seconds().items()}
    yield from _tell(traffic, rate, what, _tell_shares(cpu, traffic, n_made))
    begin, *_, end = memory.result()
    yield Row(
        f"memory of the API, {what}",
        end,
        1.1 * begin,
        "MB",
        at_least=False,
        note="at the beginning, then every quarter of the time: "
        + ", ".join(f"{each:.1f}" for each in memory.result()),
    )


def _tell(traffic: Traffic, rate: float, what: str, shares: str) -> Iterator[Row]:
    p50, p95, p99, longest = milliseconds(traffic.all_latencies, 50, 95, 99, 100)
    held = len(traffic.all_latencies) / traffic.seconds
    yield Row(f"requests a second, {what}", held, 0.99 * rate, "1/s", at_least=True, note=shares)
    note = f"from when each was due; p50 {p50:.1f}, p95 {p95:.1f}, longest {longest:.0f} ms; the generator was late by "
    late = milliseconds(traffic.lags, 99)[0]
    yield Row(f"p99 under load, {what}", p99, 250, "ms", at_least=False, note=f"{note}{late:.1f} ms at p99")
    for kind, latencies in sorted(traffic.latencies.items()):
        p50, p95, p99, longest = milliseconds(latencies, 50, 95, 99, 100)
        note = f"p99 of {len(latencies):,}; p50 {p50:.1f}, p95 {p95:.1f}, longest {longest:.0f} ms"
        yield Row(f"  {kind}", p99, None, "ms", at_least=False, note=note)
    errors = "; ".join(f"{count} times {what}" for what, count in traffic.errors.most_common(3)) or "none"
    yield Row(f"errors, {what}", traffic.errors.total(), 0, "", at_least=False, note=errors)


def _tell_shares(cpu: dict[str, float], traffic: Traffic, n_made: int) -> str:
    """Who computed, and what for."""
    shares = {**cpu, "the generator": traffic.cpu_seconds}
    told = ", ".join(f"{name} {show(100 * spent / traffic.seconds)} %" for name, spent in shares.items())
    n = len(traffic.all_latencies)
    return f"{n:,} requests, {n_made:,} structures made meanwhile; of one core: {told}"


def _count_structures(store: Store) -> int:
    with store.reading() as tx:
        return tx.connection.execute(select(func.count()).select_from(structures)).scalar_one()


def _watch_memory(service: Deployment, seconds: float) -> list[float]:
    found = [service.api_megabytes()]
    for _ in range(4):
        sleep(seconds / 4)
        found.append(service.api_megabytes())
    return found
