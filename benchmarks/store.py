"""Pages of a million structures over HTTP, and jobs that arrive where a hundred thousand are: on a real PostgreSQL."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from http.client import HTTPConnection
from statistics import median
from typing import Any, Final

import numpy as np
import psycopg

from benchmarks.arrivals import time_arrivals, time_hull
from benchmarks.population import FINGERPRINT, HOT_SYSTEM, draw_campaigns, fill
from benchmarks.report import Row
from benchmarks.timing import wall_seconds
from service.api.paging import encode_cursor
from tests.servers import HOST, free_port, run_postgres, wait_until

Get = Callable[[str], dict[str, Any]]

_HOT: Final = "-".join(HOT_SYSTEM)
_SORTS: Final = ("created", "-created", "energy", "-energy", "energy_above_hull", "-energy_above_hull")
_FILTERS: Final = (
    "", "composition=ClLiPS", f"chemsys={_HOT}", "chemsys=O-Si", "elements=Li", "elements=Li,S", "elements=Hf",
    "elements=Fe,O", "elements=Au,Pb", f"elements={','.join(HOT_SYSTEM)}", "model=mp20-plus", "model=mp20",
    "model=qm7b", "model=diamond", f"model_fingerprint={FINGERPRINT}", "converged=true", "converged=false",
    "unique=true", "unique=false", "matched=true", "matched=false", "start=wyckoff", "start=random", "smiles=CCCO1",
    "passes_checks=true", "passes_checks=false", "energy_above_hull_max=0", "energy_above_hull_max=0.05",
    "hull=true", "hull=false", "hull=true&matched=true", "hull=true&matched=false", "model=mp20&hull=true",
    f"chemsys={_HOT}&model=mp20-plus", f"chemsys={_HOT}&matched=true", "composition=ClLiPS&unique=true&converged=true",
    f"chemsys={_HOT}&unique=true&matched=false&energy_above_hull_max=0.1", "elements=Li,S&matched=true",
    "elements=Hf&hull=true", "model=mp20-plus&matched=true", "unique=true&matched=false&energy_above_hull_max=0.1",
)  # fmt: skip
_N_PAGES: Final = 3


def run(n_structures: int = 1_000_000, n_rounds: int = 3) -> Iterator[Row]:
    """Fill a database, a tenth of it one chemical system; read pages in rounds; let jobs arrive."""
    n_hot = n_structures // 10
    with run_postgres() as server, server.new_database() as url:
        filled = wall_seconds(lambda: fill(url, draw_campaigns(n_structures, n_hot)))
        hull = [f"/structures?limit=100&chemsys={_HOT}&hull=true&sort={sort}" for sort in _SORTS]
        paths = [*_list_starts(), *_list_middles(url)]
        with _serve(url) as get:
            rounds = [_time_pages(get, paths) for _ in range(n_rounds + 1)][1:]
            hulls = [[seconds for _ in range(5) for _, seconds in _time_pages(get, hull)] for _ in range(n_rounds)]
        times = {path: median(dict(found)[path] for found in rounds) for path, _ in rounds[0]}
        slowest = sorted(times, key=lambda path: -times[path])[:3]
        yield Row.of(
            (1000 * float(np.percentile([seconds for _, seconds in found], 95)) for found in rounds),
            name=f"GET /structures: page of 100 of {n_structures:,}, p95",
            goal=50,
            unit="ms",
            at_least=False,
            note=f"{len(times):,} pages a round over HTTP: {len(_FILTERS)} filters in {len(_SORTS)} orders, {_N_PAGES} "
            f"pages each, and from the middle of long lists; p50 {1000 * median(times.values()):.0f} ms; slowest: "
            f"{', '.join(_describe(path, times[path]) for path in slowest)}; filled in {filled:.0f} s",
        )
        yield Row.of(
            (1000 * float(np.percentile(found, 95)) for found in hulls),
            name=f"GET /structures?hull=true: a system of {n_hot:,}, p95",
            goal=300,
            unit="ms",
            at_least=False,
            note=f"{len(hulls[0])} requests a round, all orders",
        )
        yield from time_arrivals(url, n_hot)
    yield time_hull()


def _describe(path: str, seconds: float) -> str:
    return f"{path.partition('limit=100&')[2].partition('&cursor')[0]} {1000 * seconds:.0f} ms"


def _list_starts() -> Iterator[str]:
    yield from (
        f"/structures?limit=100&{query}&sort={sort}".replace("&&", "&") for query in _FILTERS for sort in _SORTS
    )


def _list_middles(url: str) -> Iterator[str]:
    """First pages that begin in the middle of long lists."""
    columns = {"created": "id", "energy": "ranking_energy", "energy_above_hull": "energy_above_hull"}
    lists = (("", "true"), (f"chemsys={_HOT}", f"chemsys = '{_HOT}'"), ("model=mp20-plus", "model = 'mp20-plus'"))
    with psycopg.connect(url) as connection:
        for sort, column in columns.items():
            for query, condition in lists:
                found = connection.execute(
                    f"SELECT {column}, id FROM structures WHERE {condition} AND {column} IS NOT NULL "
                    f"ORDER BY {column} OFFSET (SELECT count(*) / 3 FROM structures WHERE {condition}) LIMIT 1".encode()
                ).fetchone()
                for direction in (sort, f"-{sort}"):
                    cursor = encode_cursor([direction, *(found or ())])
                    yield f"/structures?limit=100&{query}&sort={direction}&cursor={cursor}".replace("&&", "&")


def _time_pages(get: Get, starts: list[str]) -> list[tuple[str, float]]:
    """Path and seconds of the first pages of every list."""
    found = []
    for start in starts:
        path: str | None = start
        for _ in range(_N_PAGES):
            if path is not None:
                begin = time.perf_counter()
                page = get(path)
                found.append((path, time.perf_counter() - begin))
                path = page["next"]
    return found


@contextmanager
def _serve(url: str) -> Iterator[Get]:
    """The API as a process of its own, and a connection to it that stays open."""
    port = free_port()
    command = [sys.executable, "-m", "rmatch", "api", "--port", str(port)]
    environment = {**os.environ, "RMATCH_DATABASE_URL": url, "RMATCH_PREPARE_DATABASE": "false", "RMATCH_KEYS": "off"}
    with (
        subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process,
        closing(HTTPConnection(HOST, port, timeout=60)) as connection,
    ):

        def get(path: str) -> dict[str, Any]:
            connection.request("GET", path)
            response = connection.getresponse()
            body = response.read()
            if response.status != 200:
                raise RuntimeError(f"{path}: {body[:500]!r}")
            answer: dict[str, Any] = json.loads(body)
            return answer

        def is_up() -> bool:
            try:
                return bool(get("/healthz"))
            except OSError:
                connection.close()
                return False

        try:
            wait_until(is_up, "the API answers")
            yield get
        finally:
            process.terminate()
