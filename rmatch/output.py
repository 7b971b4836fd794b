"""What commands print: text for people, or JSON for programs."""

from __future__ import annotations

import json
from typing import Annotated

import typer
from rich.console import Console

Json = Annotated[
    bool, typer.Option("--json", help="JSON on standard output; what is said beside it goes to standard error.")
]


def make_console(*, as_json: bool) -> Console:
    """Where people read: standard output, unless JSON is to be there alone."""
    return Console(stderr=as_json)


def print_json(value: object) -> None:
    """One line of JSON on standard output; what JSON has no word for, such as a path, is written as text."""
    typer.echo(json.dumps(value, ensure_ascii=False, allow_nan=False, default=str))
