"""``python -m fuzz``: the API on PostgreSQL and the reading of files at length; the figures are printed as JSON."""

from __future__ import annotations

import json
import tempfile
import time
from pathlib import Path
from typing import Annotated, Any

import httpx
import schemathesis
import typer
from fuzz.campaign import Campaign, run_campaign
from fuzz.mutations import mutate_many
from fuzz.reading import read_all
from fuzz.subject import SECRET, fill
from processes import run_rmatch
from rich.console import Console
from servers import HOST, free_port, run_postgres, wait_until

from service.settings import Settings


def main(
    requests: Annotated[int, typer.Option(help="How many requests are made, at least.")] = 50_000,
    files: Annotated[int, typer.Option(help="How many mutated files are read.")] = 20_000,
    seed: Annotated[int, typer.Option(help="Of requests and mutations.")] = 0,
    output: Annotated[Path | None, typer.Option(help="File for the figures, as JSON.")] = None,
) -> None:
    """Send what nobody would, and see whether the service keeps to its document."""
    report: dict[str, Any] = {"seed": seed}
    with tempfile.TemporaryDirectory(prefix="rmatch-fuzz-") as folder:
        report["api"] = fuzz_api(requests, seed, Path(folder)).to_json()
    reading = read_all(mutate_many(files, seed))
    report["files"] = {
        "outcomes": dict(sorted(reading.outcomes.items())),
        "longest_seconds": round(reading.longest_seconds, 2),
        "failures": reading.failures,
    }
    Console().print_json(data=report)
    if output is not None:
        output.parent.mkdir(parents=True, exist_ok=True)
        output.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    failed = report["api"]["failures"] or report["api"]["errors"] or reading.failures
    raise typer.Exit(1 if failed else 0)


def fuzz_api(requests: int, seed: int, folder: Path) -> Campaign:
    """Fuzz a service on PostgreSQL."""
    port = free_port()
    url = f"http://{HOST}:{port}"
    with run_postgres() as postgres, postgres.new_database() as database_url:
        options: dict[str, Any] = {"data_dir": folder, "database_url": database_url, "keys": "on", "key_secret": SECRET}
        settings = Settings(**options, event_stream_seconds=0.01)
        key = fill(settings)
        changed = settings.model_dump(mode="json", exclude_unset=True)
        environment = {f"RMATCH_{name.upper()}": str(value) for name, value in changed.items()}
        with run_rmatch("api", "--port", str(port), environment=environment):
            wait_until(lambda: _answers(url), "the API starts")
            return run_campaign(
                lambda config: schemathesis.openapi.from_url(f"{url}/openapi.json", config=config), requests, seed, key
            )


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/healthz").is_success
    except httpx.TransportError:
        time.sleep(0.1)
        return False


if __name__ == "__main__":
    typer.run(main)
