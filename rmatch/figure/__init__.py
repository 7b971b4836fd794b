"""``rmatch figure N``: the paper's figures, redrawn from our own models, with the numbers behind them.

A figure is a module with a function ``draw(request) -> Drawing`` and a default model; it gets its line in ``_FIGURES``.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Final, NamedTuple

import typer

from rmatch.benchmark.report import make_wide_console, show_results
from rmatch.completion import complete_model
from rmatch.errors import CommandError
from rmatch.figure import atomization, carbon, elements, lithium_sulfur, molecules
from rmatch.figure.request import Drawing, Request, write_drawing
from rmatch.output import Json
from rmatch.progress import count_progress
from service.settings import Settings


class _Figure(NamedTuple):
    """What a figure shows, how it is drawn, and the model that it takes by default."""

    title: str
    draw: Callable[[Request], Drawing]
    default_model: Callable[[], str]


_FIGURES: Final = {
    1: _Figure("energies of molecules", atomization.draw, atomization.default_model),
    2: _Figure("molecules and their checks", molecules.draw, atomization.default_model),
    3: _Figure("the elements as a model sees them", elements.draw, elements.default_model),
    4: _Figure("the convex hull of Li and S", lithium_sulfur.draw, lithium_sulfur.default_model),
    5: _Figure("carbon at many volumes", carbon.draw, carbon.default_model),
}
_LIST: Final = "; ".join(f"{number}: {item.title}" for number, item in _FIGURES.items())


def figure(
    number: Annotated[int, typer.Argument(help=f"Which figure. {_LIST}.")],
    data: Annotated[Path | None, typer.Option(help="Folder of the data sets, for the figures that use any.")] = None,
    model: Annotated[
        str | None,
        typer.Option(help="Name or path of a model; by default the figure's own.", autocompletion=complete_model),
    ] = None,
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder for the picture and its numbers.")] = Path(),
    n: Annotated[int | None, typer.Option("-n", "--n", min=1, help="Structures to search; by default enough.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of everything random.")] = 0,
    as_json: Json = False,
) -> None:
    """Draw one of the paper's figures: figureN.png, figureN.svg, and figureN.json with the numbers behind them."""
    if number not in _FIGURES:
        raise CommandError(f"There is no figure {number}. Use one of: {', '.join(map(str, _FIGURES))}.")
    import torch

    from rm_engine.checkpoint import load_model

    chosen = _FIGURES[number]
    settings = Settings()
    torch.set_num_threads(settings.worker_threads)
    name = model or chosen.default_model()
    loaded = load_model(name, directories=settings.model_directories)
    console = make_wide_console(as_json=as_json)
    with count_progress(f"figure {number}", console) as report:
        drawing = chosen.draw(Request(loaded, name, data, n, seed, report))
    show_results(drawing.numbers, drawing.tables, console, as_json=as_json)
    for line in drawing.remarks:
        console.print(line, highlight=False)
    for path in write_drawing(drawing, output, number, loaded, seed):
        console.print(str(path), highlight=False)
