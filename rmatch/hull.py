"""``rmatch hull``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from rm_engine.spec import ChemicalSystem, parse_composition
from rmatch.asking import open_client
from rmatch.errors import CommandError
from rmatch.output import Json, make_console, print_json
from rmatch.search import (
    USUAL_STARTS,
    ModelName,
    N,
    Search,
    Seed,
    SpaceGroups,
    Starts,
    parse_starts,
    split_space_groups,
)
from rmatch.tables import energy_text

if TYPE_CHECKING:
    from rmatch.survey import Survey

_PATIENCE_SECONDS: Final = 10
"""A wrong URL is told soon."""


def hull(
    system: Annotated[str, typer.Argument(help="Chemical system such as Li-S or Li-P-S.")],
    n: N = None,
    model: ModelName = "",
    starts: Starts = USUAL_STARTS,
    space_groups: SpaceGroups = "",
    seed: Seed = 0,
    url: Annotated[
        str | None, typer.Option(help="Ask the service at this URL; without it, search on this machine.")
    ] = None,
    key_file: Annotated[Path | None, typer.Option(help="File with the API key, where the service wants one.")] = None,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="The hull as a picture as well, .png or .svg.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Search a chemical system and draw its convex hull, here or by asking a service.

    Structures that are known crystals are marked: here those that come with the package, there all references.
    """
    composition = parse_composition(system)
    if not isinstance(composition, ChemicalSystem):
        raise CommandError(f"{system!r} is a formula. Give a chemical system, whose symbols are joined: Li-S.")
    if output and output.suffix not in {".png", ".svg"}:
        raise CommandError(f"{output} is no picture. Give --output a name that ends with .png or .svg.")
    console = make_console(as_json=as_json)
    groups = split_space_groups(space_groups)
    search = Search(composition=system, n=n, model=model, starts=starts, seed=seed, space_groups=groups)
    survey = _ask(search, url, key_file) if url else _search(search, console, is_silent=as_json)
    if not survey.points:
        raise CommandError(f"No structure of {system} converged. Ask for more with -n.")
    if as_json:
        print_json(survey.to_json())
    else:
        _show(survey, console)
    if output:
        from rm_engine.figures import write_figure

        write_figure(survey.plot(), output)
        console.print(f"The hull is drawn in {output}.", highlight=False, soft_wrap=True)


def _search(search: Search, console: Console, *, is_silent: bool) -> Survey:
    from rm_engine.files import read_crystals
    from rmatch.survey import survey_found
    from service.jobs.references import KNOWN_CRYSTALS

    known = [(crystal.name, crystal.to_atoms()) for crystal in read_crystals(KNOWN_CRYSTALS)]
    found, card = search.run(known, console, is_silent=is_silent)
    return survey_found(found, card, known)


def _ask(search: Search, url: str, key_file: Path | None) -> Survey:
    from rmatch.survey import survey_service

    options: dict[str, Any] = {"seed": search.seed}
    options |= {"n": search.n} if search.n else {}
    options |= {"model": search.model} if search.model else {}
    if search.starts != USUAL_STARTS:
        options["starts"] = vars(parse_starts(search.starts))
    options |= {"space_groups": search.space_groups} if search.space_groups else {}
    key = key_file.read_text(encoding="utf-8").strip() if key_file else None
    with open_client(url, api_key=key, patience_seconds=_PATIENCE_SECONDS) as client:
        job = client.generate(search.composition, **options).wait()
        return survey_service(client, job.item.spec["model"], job=job.id)


def _show(survey: Survey, console: Console) -> None:
    from rmatch.drawing import LEGEND, draw_hull

    if picture := draw_hull(survey.phases, console.width):
        console.print(Text.from_ansi(picture), soft_wrap=True)
        console.print(LEGEND, highlight=False)
    title = f"The lowest of each formula; energies per atom: {survey.model}, {energy_text(survey.energy_kind)}"
    table = Table("formula", "above hull", "excess", "structure", "", title=title, box=SIMPLE_HEAD)
    lowest: dict[str, dict[str, Any]] = {}
    for row in survey.to_rows():
        lowest.setdefault(row["formula"], row)
    for row in lowest.values():
        above = "on the hull" if row["energy_above_hull"] == 0 else f"{row['energy_above_hull']:.4f}"
        table.add_row(row["formula"], above, f"{row['excess_energy_per_atom']:.4f}", row["structure"], row["kind"])
    console.print(table)
