"""``rmatch train``."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from rmatch.errors import CommandError
from service.settings import Settings

if TYPE_CHECKING:
    from rm_engine.spec import TrainingSpec
    from rm_engine.training import EpochRecord


def train(
    recipe: Annotated[str, typer.Option(help="What to train: diamond or mp20.")],
    output: Annotated[
        Path, typer.Option("-o", "--output", help="Folder of the run; one that is there goes on where it stopped.")
    ],
    data: Annotated[
        Path | None,
        typer.Option(help="Structures: a folder or a file (extxyz, extxyz.gz, CIF, CIF folder, MP-20 CSV)."),
    ] = None,
    name: Annotated[str | None, typer.Option(help="Name of the model; by default the recipe's.")] = None,
    epochs: Annotated[int | None, typer.Option(min=1, help="Epochs; by default the recipe's.")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Seed of weights, order and noise.")] = None,
    learning_rate: Annotated[
        float | None, typer.Option(min=1e-8, max=1.0, help="Highest learning rate; by default the recipe's.")
    ] = None,
    skip_bad: Annotated[
        bool, typer.Option("--skip-bad", help="Leave out what cannot be learned from instead of refusing the data.")
    ] = False,
    device: Annotated[str, typer.Option(help="cpu, cuda, or auto.")] = "auto",
) -> None:
    """Train a model. Stopped or killed, the same command goes on from the last epoch.

    The folder holds NAME.json and NAME.safetensors (the model; point RMATCH_MODELS_DIR at the folder to use it),
    log.jsonl (one line an epoch), curves.png and curves.svg, and state.safetensors.
    """
    import torch

    from rm_engine.figures import plot_curves, save_figure
    from rm_engine.training import RECIPES, TrainingWatch, read_log
    from rm_engine.training import train as run_training

    if recipe not in RECIPES:
        raise CommandError(f"There is no recipe {recipe!r}. Use one of: {', '.join(RECIPES)}.")
    chosen = RECIPES[recipe]
    spec = _adjusted(chosen.spec, name=name, n_epochs=epochs, seed=seed, learning_rate=learning_rate)
    torch.set_num_threads(Settings().worker_threads)
    target = device if device != "auto" else "cuda" if torch.cuda.is_available() else "cpu"
    console = Console()
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, TimeRemainingColumn(), console=console) as progress:
        bar = progress.add_task(spec.name, total=None)

        def on_epoch(record: EpochRecord) -> None:
            scores = {
                "loss": record.loss,
                "held out: force": record.validation_force_rmse,
                "stress": record.validation_stress_rmse,
            }
            known = "  ".join(f"{name} {score:.4f}" for name, score in scores.items() if score is not None)
            console.print(f"epoch {record.epoch:4d}  {known}", highlight=False)

        watch = TrainingWatch(
            on_start=lambda done, total: progress.update(bar, completed=done, total=total),
            on_step=lambda done, _: progress.update(bar, completed=done),
            on_epoch=on_epoch,
            on_skip=lambda structure: console.print(f"left out: {structure}", highlight=False),
        )
        examples = chosen.load(data)
        run_training(spec, examples, output, source=chosen.source, device=target, watch=watch, skip_bad=skip_bad)
    save_figure(plot_curves(read_log(output), spec.name), output / "curves.png")
    console.print(f"The model is in {output}: {spec.name}.json and {spec.name}.safetensors.", highlight=False)


def _adjusted(spec: TrainingSpec, **changes: Any) -> TrainingSpec:  # noqa: ANN401  # fields of any type
    """The recipe's run with what the user changed."""
    return replace(spec, **{name: value for name, value in changes.items() if value is not None})
