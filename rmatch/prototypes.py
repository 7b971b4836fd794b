"""``rmatch prototypes``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.progress import track

from rmatch.output import Json, make_console, print_json


def prototypes(
    data: Annotated[
        Path,
        typer.Option(
            help="Known crystals: a folder with the MP-20 files, or whatever `rmatch references import` reads."
        ),
    ],
    output: Annotated[Path, typer.Option("-o", "--output", help="File for the table, .json.gz.")],
    source: Annotated[str | None, typer.Option(help="What the crystals are; by default the MP-20 train split.")] = None,
    as_json: Json = False,
) -> None:
    """Count the prototypes that searches start from over known crystals, as the table in the package was made."""
    from rm_engine.prototypes import fit_prototypes
    from rm_engine.training import RECIPES

    recipe = RECIPES["mp20"]
    crystals = recipe.load(data).training
    console = make_console(as_json=as_json)
    table = fit_prototypes(track(crystals, "counting", console=console), source or recipe.source)
    output.write_bytes(table.to_bytes())
    n_prototypes = sum(len(prototypes) for prototypes in table.prototypes.values())
    console.print(
        f"{n_prototypes} prototypes of {len(table.prototypes)} patterns, counted over {table.n_known} crystals, are in "
        f"{output}.",
        highlight=False,
    )
    if as_json:
        print_json(
            {"prototypes": n_prototypes, "patterns": len(table.prototypes), "crystals": table.n_known, "file": output}
        )
