"""``rmatch demo``."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer
from rich.console import Console

from rmatch.asking import open_client
from rmatch.embedded import START_SECONDS, find_port, run_service
from rmatch.errors import CommandError
from rmatch.output import Json, make_console, print_json
from rmatch.tables import structure_table
from service.settings import Settings

if TYPE_CHECKING:
    from rm_client import Client, Job

_REQUESTS: Final[tuple[dict[str, Any], ...]] = (
    {"composition": "LiS2", "n": 30, "seed": 0},
    {"composition": "Li2S", "n": 20, "seed": 0},
)
_CHEMSYS: Final = "Li-S"
_N_SHOWN: Final = 5


def demo(
    picture: Annotated[Path, typer.Option(help="Where the picture of the hull goes.")] = Path("demo-hull.png"),
    as_json: Json = False,
) -> None:
    """Show the whole way once: ask for LiS2 and Li2S, watch, and draw the hull of Li-S."""
    from rm_engine.figures import save_figure
    from rmatch.survey import survey_service

    console = make_console(as_json=as_json)
    if not picture.absolute().parent.is_dir():
        raise CommandError(f"There is no folder {picture.absolute().parent}. Give another --picture.")
    # The database of a demonstration is nobody's data: it goes with the demonstration.
    with tempfile.TemporaryDirectory(prefix="rmatch-demo-", ignore_cleanup_errors=True) as folder:
        settings = Settings(data_dir=Path(folder), database_url="", broker_url="", prepare_database=True, keys="off")
        log = Path(folder) / "service.log"
        with (
            run_service(settings, find_port(settings.host, 0), log=log) as service,
            open_client(service.url) as client,
        ):
            console.print(f"The service answers on {service.url}.", highlight=False, soft_wrap=True)
            _wait_for_references(client)
            jobs = [client.generate(**request) for request in _REQUESTS]
            for job, request in zip(jobs, _REQUESTS, strict=True):
                console.print(
                    f"POST /generate {request} -> 202 Accepted, /jobs/{job.id}", highlight=False, soft_wrap=True
                )
            for job in jobs:
                job.wait()
            _show(console, client, jobs)
            survey = survey_service(client, jobs[0].item.spec["model"], chemsys=_CHEMSYS)
            drawn, _ = save_figure(survey.plot(), picture)
    console.print(
        f"The hull is drawn in {drawn}. `make up` keeps the service running for your own requests.", soft_wrap=True
    )
    if as_json:
        print_json(survey.to_json())


def _wait_for_references(client: Client) -> None:
    """Jobs start from what was known when they were submitted."""
    deadline = time.monotonic() + START_SECONDS
    while next(client.references(), None) is None:
        if time.monotonic() > deadline:
            raise CommandError("The known crystals are not there. The service says why in its log.")
        time.sleep(0.1)


def _show(console: Console, client: Client, jobs: Sequence[Job]) -> None:
    for job in jobs:
        lowest = islice(job.structures(unique=True, converged=True, sort="energy"), _N_SHOWN)
        title = f"The lowest of {job.item.counts.requested} structures of {job.item.spec['composition']}"
        console.print(structure_table(title, lowest))
    console.print(structure_table("Known structures among them", client.structures(matched=True, unique=True)))
    on_hull = client.structures(hull=True, unique=True, chemsys=_CHEMSYS)
    console.print(structure_table(f"On the hull of {_CHEMSYS}", on_hull))
