"""``rmatch benchmark``: what a model finds, by protocols that anyone can repeat."""

from __future__ import annotations

import typer

from rmatch.benchmark import csp, qm7b, stay

app = typer.Typer(no_args_is_help=True, help="Measure what a model finds, with confidence intervals.")


@app.callback()
def benchmark() -> None:
    """Measure what a model finds, with confidence intervals."""


app.command("csp15")(csp.csp15)
app.command("csp-val")(csp.csp_val)
app.command("stay")(stay.stay)
app.command("qm7b")(qm7b.qm7b)
