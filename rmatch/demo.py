"""``rmatch demo``."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from rmatch.embedded import START_SECONDS, find_port, run_service
from rmatch.errors import CommandError
from rmatch.tables import ranking_energy, structure_table
from service.settings import Settings

if TYPE_CHECKING:
    from rmatch.client import Client

_REQUESTS: Final = ({"composition": "LiS2", "n": 30, "seed": 0}, {"composition": "Li2S", "n": 20, "seed": 0})
_CHEMSYS: Final = "Li-S"
_N_SHOWN: Final = 5


def demo(
    picture: Annotated[Path, typer.Option(help="Where the picture of the hull goes.")] = Path("demo-hull.png"),
) -> None:
    """Show the whole way once: ask for LiS2 and Li2S, watch, and draw the hull of Li-S."""
    from rmatch.client import Client

    console = Console()
    if not picture.absolute().parent.is_dir():
        raise CommandError(f"There is no folder {picture.absolute().parent}. Give another --picture.")
    # The database of a demonstration is nobody's data: it goes with the demonstration.
    with tempfile.TemporaryDirectory(prefix="rmatch-demo-", ignore_cleanup_errors=True) as folder:
        settings = Settings(data_dir=Path(folder), database_url="", broker_url="", prepare_database=True, keys="off")
        log = Path(folder) / "service.log"
        with (
            run_service(settings, find_port(settings.host, 0), log=log) as service,
            Client(service.url) as client,
        ):
            console.print(f"The service answers on {service.url}.", highlight=False, soft_wrap=True)
            _wait_for_references(client)
            jobs = {client.submit(**request): request for request in _REQUESTS}
            for job_id, request in jobs.items():
                console.print(
                    f"POST /generate {request} -> 202 Accepted, /jobs/{job_id}", highlight=False, soft_wrap=True
                )
            _follow(console, client, jobs)
            _show(console, client, jobs)
            drawn = _draw(client, picture, settings)
    console.print(
        f"The hull is drawn in {drawn}. `make up` keeps the service running for your own requests.", soft_wrap=True
    )


def _wait_for_references(client: Client) -> None:
    """Jobs start from what was known when they were submitted."""
    deadline = time.monotonic() + START_SECONDS
    while not client.has_references():
        if time.monotonic() > deadline:
            raise CommandError("The known crystals are not there. The service says why in its log.")
        time.sleep(0.1)


def _follow(console: Console, client: Client, jobs: dict[str, dict[str, Any]]) -> None:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[state]}"))
    with Progress(*columns, TimeElapsedColumn(), console=console) as progress:
        bars = {
            job_id: progress.add_task(request["composition"], total=request["n"], state="queued")
            for job_id, request in jobs.items()
        }
        for job_id, bar in bars.items():
            for job in client.follow(job_id):
                progress.update(bar, completed=job["counts"]["finished"], state=job["state"])
            if job["state"] != "succeeded":
                raise CommandError(f"Job {job_id} {job['state']}: {job['error']}")


def _show(console: Console, client: Client, jobs: dict[str, dict[str, Any]]) -> None:
    for job_id, request in jobs.items():
        lowest = client.structures(job=job_id, unique=True, converged=True, sort="energy")
        title = f"The lowest of {request['n']} structures of {request['composition']}"
        console.print(structure_table(title, lowest[:_N_SHOWN]))
    console.print(structure_table("Known structures among them", client.structures(matched=True, unique=True)))
    on_hull = client.structures(hull=True, unique=True, chemsys=_CHEMSYS)
    console.print(structure_table(f"On the hull of {_CHEMSYS}", on_hull))


def _draw(client: Client, picture: Path, settings: Settings) -> Path:
    from rm_engine.figures import HullPoint, plot_hull, save_figure
    from rm_engine.spec import find_model, parse_formula, read_card

    items = client.structures(chemsys=_CHEMSYS, converged=True)
    points = [
        HullPoint(dict(parse_formula(item["formula"]).counts), ranking_energy(item), _kind(item)) for item in items
    ]
    card = read_card(find_model(items[0]["model"], settings.model_directories))
    return save_figure(plot_hull(points, card.reference_energies, card.energy_kind), picture)[0]


def _kind(item: dict[str, Any]) -> Literal["known", "new", "duplicate"]:
    if item["duplicate_of"]:
        return "duplicate"
    return "known" if item["matches"] else "new"
