"""``rmatch benchmark``: what a model finds, by protocols that anyone can repeat."""

from __future__ import annotations

import typer

app = typer.Typer(no_args_is_help=True, help="Measure what a model finds, with confidence intervals.")


@app.callback()
def benchmark() -> None:
    """Measure what a model finds, with confidence intervals."""
