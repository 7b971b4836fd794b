"""``rmatch``: the commands put together."""

from __future__ import annotations

import sys

import typer

from rm_engine.errors import RMEngineError
from rmatch import (
    api,
    benchmark,
    demo,
    figure,
    generate,
    hull,
    keys,
    migrate,
    models,
    prototypes,
    references,
    sweep,
    train,
    up,
    worker,
)
from rmatch.errors import CommandError
from service.domain.errors import ServiceError

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
    help="Propose crystals and molecules for a composition with Response Matching.",
)
for command in (
    up.up,
    demo.demo,
    generate.generate,
    hull.hull,
    train.train,
    models.models,
    prototypes.prototypes,
    figure.figure,
):
    app.command()(command)
app.add_typer(references.app, name="references")
app.add_typer(keys.app, name="keys")
app.add_typer(benchmark.app, name="benchmark")
for process in (api.api, worker.worker, sweep.sweep, migrate.migrate):
    app.command(rich_help_panel="Processes of the service")(process)


def main() -> None:
    """Run a command: an error raised on purpose is one line and status 2, any other is a defect and shows where."""
    try:
        app()
    except (CommandError, RMEngineError, ServiceError, OSError) as error:
        sys.stderr.write(f"Error: {error}\n")
        sys.exit(2)
