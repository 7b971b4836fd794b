"""``rmatch generate``."""

from __future__ import annotations

import json
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from rm_engine.spec import START_KINDS, ChemicalSystem, ModelCard, StartMix, default_model, default_n, parse_composition
from rm_engine.spec.generation import CRYSTAL, MOLECULE
from rmatch.errors import CommandError
from rmatch.live import Show, print_lines, show_table
from rmatch.startup import without_collections
from rmatch.tables import formula_table, found_table
from service.settings import Settings

if TYPE_CHECKING:
    from rm_engine import GeneratedStructure
    from rm_engine.files import Format


def generate(
    composition: Annotated[str, typer.Argument(help="Formula such as LiS2, or chemical system such as Li-S.")],
    n: Annotated[
        int | None, typer.Option("-n", help="Number of structures; by default 30, of a chemical system 200.")
    ] = None,
    formula_units: Annotated[
        list[int] | None,
        typer.Option(help="Formula units in a cell; may be given several times. By default several small ones."),
    ] = None,
    molecule: Annotated[bool, typer.Option("--molecule", help="A molecule instead of a crystal.")] = False,
    model: Annotated[
        str, typer.Option(help="Name of the model, see `rmatch models`; by default the one for the boundary.")
    ] = "",
    starts: Annotated[
        str, typer.Option(help="One kind of start, or shares, e.g. wyckoff or references=2,wyckoff=1,random=1.")
    ] = "usual",
    references: Annotated[
        Path | None,
        typer.Option(help="Known structures to put elements into: whatever `rmatch references import` reads."),
    ] = None,
    seed: Annotated[int, typer.Option(help="Sample k is drawn from (seed, k).")] = 0,
    memory: Annotated[
        int | None,
        typer.Option(min=1, help="MiB that structures relaxing together may take; by default what suits the device."),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="Folder for the structures, one file each.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="All structures as JSON lines on standard output.")] = False,
) -> None:
    """Generate structures right here, without the service, on all cores; show them as they come and list the lowest.

    A chemical system is searched at its likely formulas, and those on the hull are listed first.
    """
    n = default_n(composition) if n is None else n  # refuses before torch, which takes seconds
    mix = None if starts == "usual" else _parse_starts(starts)
    with without_collections():
        from rm_engine import generate as generate_structures
        from rm_engine import load_model
        from rm_engine.files import read_structures
        from rm_engine.search import find_energies_above_hull

    periodic = MOLECULE if molecule else CRYSTAL
    settings = Settings()
    loaded = load_model(
        model or default_model(periodic),
        directories=settings.model_directories,
        memory_budget=memory * 2**20 if memory else settings.memory_budget_bytes,
    )
    known = [(stored.name, stored.atoms) for stored in read_structures(references)] if references else []
    console = Console(stderr=as_json)
    with _show(composition, n, loaded.card, console) as show:
        found = generate_structures(
            loaded,
            composition,
            n=n,
            seed=seed,
            references=known,
            on_structure=show,
            formula_units=tuple(formula_units) if formula_units else None,
            periodic=periodic,
            starts=mix,
        )
    if output:
        _write(found, output, "extxyz" if molecule else "cif")
        console.print(f"{len(found)} structures written to {output}.", highlight=False)
    above_hull = find_energies_above_hull(found, loaded.card)
    if as_json:
        for item, above in zip(found, above_hull, strict=True):
            typer.echo(json.dumps(_plain(item, above, loaded.card)))
    elif isinstance(parse_composition(composition), ChemicalSystem):
        console.print(formula_table(found, above_hull, loaded.card))
    else:
        console.print(found_table(found, loaded.card))


def _show(composition: str, n: int, card: ModelCard, console: Console) -> AbstractContextManager[Show | None]:
    """How to show structures as they come: a table in a terminal, lines elsewhere, nothing where JSON is asked for."""
    if console.is_terminal:
        return show_table(composition, n, card, console)
    return nullcontext(None if console.stderr else print_lines(n, console))


def _parse_starts(text: str) -> StartMix:
    """Shares such as ``references=2,random=1``; a kind without a number has one share.

    Raises:
        CommandError: not of this form, or of another kind.
    """
    parts = [part.partition("=") for part in text.split(",")]
    try:
        return StartMix(**{kind.strip(): float(share) if sign else 1.0 for kind, sign, share in parts})
    except (TypeError, ValueError) as error:
        way = f"Give shares of {', '.join(START_KINDS)}, not all of them zero, e.g. wyckoff=2,random=1."
        raise CommandError(f"--starts {text[:80]!r} is no mix of starts. {way}") from error


def _write(found: list[GeneratedStructure], folder: Path, format_: Format) -> None:
    from rm_engine.files import write_structure

    folder.mkdir(parents=True, exist_ok=True)
    for rank, item in enumerate(found, start=1):
        name = f"{rank:05d}-{item.atoms.get_chemical_formula()}.{format_}"
        (folder / name).write_text(write_structure(item.atoms, format_), encoding="utf-8")


def _plain(item: GeneratedStructure, above_hull: float | None, card: ModelCard) -> dict[str, Any]:
    from rm_engine.files import to_json

    return {
        "sample": item.sample,
        "formula": item.atoms.get_chemical_formula(),
        "model": card.name,
        "energy_kind": card.energy_kind,
        "pseudo_energy_per_atom": item.pseudo_energy_per_atom,
        "formation_energy_per_atom": item.formation_energy_per_atom,
        "energy_above_hull": above_hull,
        "space_group": None if item.space_group is None else asdict(item.space_group),
        "start": item.start,
        "start_origin": item.start_origin,
        "converged": item.converged,
        "n_steps": item.n_steps,
        "atoms": to_json(item.atoms),
    }
