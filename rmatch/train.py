"""``rmatch train``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from rmatch.errors import CommandError

if TYPE_CHECKING:
    from rm_engine.training import EpochRecord, Recipe


def train(
    recipe: Annotated[str, typer.Argument(help="diamond or mp20.")],
    data: Annotated[
        Path | None, typer.Option(help="File or folder with the structures, where the recipe needs them.")
    ] = None,
    output: Annotated[Path | None, typer.Option(help="Folder of the run; runs/RECIPE by default.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run that is in the folder.")] = False,
    name: Annotated[str | None, typer.Option(help="Name of the model; that of the recipe by default.")] = None,
    epochs: Annotated[int | None, typer.Option(min=1, help="Instead of the recipe's.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of weights, order and noise.")] = 0,
    device: Annotated[Literal["auto", "cpu", "cuda"], typer.Option(help="auto takes CUDA where it is there.")] = "auto",
) -> None:
    """Train a model by a recipe; --resume goes on with a run that was stopped."""
    from dataclasses import replace

    import torch

    from rm_engine.training import LOG_FILE, TrainingWatch
    from rm_engine.training import train as run_training

    chosen = _find_recipe(recipe)
    folder = output or Path("runs") / recipe
    if (folder / LOG_FILE).exists() and not resume:
        raise CommandError(f"There is a run in {folder} already. Go on with it by --resume, or give another --output.")
    spec = replace(chosen.spec, name=name or chosen.spec.name, n_epochs=epochs or chosen.spec.n_epochs, seed=seed)
    console = Console()
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("loss {task.fields[loss]:.5f}"),
    )
    with Progress(*columns, TimeElapsedColumn(), TimeRemainingColumn(), console=console) as progress:
        bar = progress.add_task("steps", loss=float("nan"))
        watch = TrainingWatch(
            on_start=lambda done, total: progress.update(bar, completed=done, total=total),
            on_step=lambda done, loss: progress.update(bar, completed=done, loss=loss),
            on_epoch=lambda record: progress.console.print(_describe(record), highlight=False),
        )
        run_training(
            spec,
            chosen.load(data),
            folder,
            source=chosen.source,
            device="cuda" if device != "cpu" and torch.cuda.is_available() else "cpu",
            watch=watch,
        )
    console.print(f"The model {spec.name} is in {folder}. RMATCH_MODELS_DIR={folder} makes it known to the service.")


def _find_recipe(name: str) -> Recipe:
    from rm_engine.training import RECIPES

    if name not in RECIPES:
        raise CommandError(f"There is no recipe {name[:80]!r}. Use one of: {', '.join(sorted(RECIPES))}.")
    return RECIPES[name]


def _describe(record: EpochRecord) -> str:
    return (
        f"epoch {record.epoch:4d}  loss {record.loss:.5f}  validation {record.validation_loss:.5f}  "
        f"force RMSE {record.validation_force_rmse:.4f}  stress RMSE {record.validation_stress_rmse:.4f}"
    )
