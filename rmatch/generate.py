"""``rmatch generate``."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from rm_engine.spec import default_model, parse_formula
from rm_engine.spec.generation import CRYSTAL, MOLECULE
from rmatch.tables import space_group_text
from service.settings import Settings

if TYPE_CHECKING:
    from rm_engine import GeneratedStructure
    from rm_engine.files import Format
    from rm_engine.search import Progress as SearchProgress

_N_SHOWN = 10


def generate(
    composition: Annotated[str, typer.Argument(help="Formula, reduced or not, e.g. LiS2.")],
    n: Annotated[int, typer.Option("-n", help="Number of structures.")] = 30,
    formula_units: Annotated[
        list[int] | None,
        typer.Option(help="Formula units in a cell; may be given several times. By default several small ones."),
    ] = None,
    molecule: Annotated[bool, typer.Option("--molecule", help="A molecule instead of a crystal.")] = False,
    model: Annotated[
        str, typer.Option(help="Name of the model, see `rmatch models`; by default the one for the boundary.")
    ] = "",
    seed: Annotated[int, typer.Option(help="Sample k is drawn from (seed, k).")] = 0,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="Folder for the structures, one file each.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="All structures as JSON lines on standard output.")] = False,
) -> None:
    """Generate structures right here, without the service, and list the lowest."""
    parse_formula(composition)  # before torch, which takes seconds
    import torch

    from rm_engine import generate as generate_structures
    from rm_engine import load_model

    settings = Settings()
    torch.set_num_threads(settings.worker_threads)
    periodic = MOLECULE if molecule else CRYSTAL
    loaded = load_model(model or default_model(periodic), directories=settings.model_directories)
    console = Console(stderr=as_json)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress:
        bar = progress.add_task(composition, total=n)

        def show(state: SearchProgress) -> None:
            progress.update(bar, completed=state.n_done)

        found = generate_structures(
            loaded,
            composition,
            n=n,
            seed=seed,
            on_progress=show,
            formula_units=tuple(formula_units) if formula_units else None,
            periodic=periodic,
        )
        progress.update(bar, completed=n)
    if output:
        _write(found, output, "extxyz" if molecule else "cif")
        console.print(f"{len(found)} structures written to {output}.", highlight=False)
    if as_json:
        for item in found:
            typer.echo(json.dumps(_plain(item)))
    else:
        console.print(_table(found))


def _write(found: list[GeneratedStructure], folder: Path, format_: Format) -> None:
    from rm_engine.files import write_structure

    folder.mkdir(parents=True, exist_ok=True)
    for rank, item in enumerate(found, start=1):
        name = f"{rank:05d}-{item.atoms.get_chemical_formula()}.{format_}"
        (folder / name).write_text(write_structure(item.atoms, format_), encoding="utf-8")


def _plain(item: GeneratedStructure) -> dict[str, Any]:
    from rm_engine.files import to_json

    return {
        "sample": item.sample,
        "formula": item.atoms.get_chemical_formula(),
        "pseudo_energy_per_atom": item.pseudo_energy_per_atom,
        "space_group": None if item.space_group is None else asdict(item.space_group),
        "converged": item.converged,
        "n_steps": item.n_steps,
        "atoms": to_json(item.atoms),
    }


def _table(found: list[GeneratedStructure]) -> Table:
    table = Table("sample", "formula", "pseudo energy / atom", "space group", "converged", "steps")
    for item in found[:_N_SHOWN]:
        plain = _plain(item)
        table.add_row(
            str(item.sample),
            plain["formula"],
            f"{item.pseudo_energy_per_atom:.5f}",
            space_group_text(plain["space_group"]),
            "yes" if item.converged else "no",
            str(item.n_steps),
        )
    return table
