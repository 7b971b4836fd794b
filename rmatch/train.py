"""``rmatch train``."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from rmatch.errors import CommandError
from rmatch.output import Json, make_console, print_json
from service.settings import Settings

if TYPE_CHECKING:
    from rm_engine.checkpoint import Model
    from rm_engine.ranking import RankingPlan
    from rm_engine.spec import DescentSpec
    from rm_engine.training import HeadPlan, Recipe, TrainingWatch

Spec = TypeVar("Spec", bound="DescentSpec")


def train(
    recipe: Annotated[str, typer.Option(help="What to train: diamond, qm7b, mp20, mp20-plus or band-gap.")],
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
    as_json: Json = False,
) -> None:
    """Train a model. Stopped or killed, the same command goes on from the last epoch.

    The folder holds NAME.json and NAME.safetensors (the model; point RMATCH_MODELS_DIR at the folder to use it),
    log.jsonl (one line an epoch), curves.png and curves.svg, and state.safetensors.
    """
    import torch

    from rm_engine.ranking import RANKING_RECIPES
    from rm_engine.training import HEAD_RECIPES, RECIPES

    torch.set_num_threads(Settings().worker_threads)
    changes = {"name": name, "n_epochs": epochs, "seed": seed, "learning_rate": learning_rate}
    target = device if device != "auto" else "cuda" if torch.cuda.is_available() else "cpu"
    console = make_console(as_json=as_json)
    if recipe in RECIPES:
        model = _train_response(RECIPES[recipe], changes, data, output, target, console, skip_bad=skip_bad)
    elif recipe in RANKING_RECIPES:
        model = _train_ranking(RANKING_RECIPES[recipe], changes, data, output, target, console, skip_bad=skip_bad)
    elif recipe in HEAD_RECIPES:
        model = _train_head(HEAD_RECIPES[recipe], changes, data, output, target, console)
    else:
        known = ", ".join([*RECIPES, *RANKING_RECIPES, *HEAD_RECIPES])
        raise CommandError(f"There is no recipe {recipe!r}. Use one of: {known}.")
    if as_json:
        print_json({"model": model.card.name, "folder": output, "scores": model.card.training.get("scores", {})})


def _train_response(
    recipe: Recipe,
    changes: dict[str, Any],
    data: Path | None,
    output: Path,
    device: str,
    console: Console,
    *,
    skip_bad: bool,
) -> Model:
    """Train on the response to noise, and draw the learning curves."""
    from rm_engine.figures import plot_curves, save_figure
    from rm_engine.training import read_log
    from rm_engine.training import train as run_training

    spec = _adjusted(recipe.spec, **changes)
    known = recipe.load(data)
    source = known.source or recipe.source
    with _watch(spec.name, console) as watch:
        model = run_training(spec, known, output, source=source, device=device, watch=watch, skip_bad=skip_bad)
    save_figure(plot_curves(read_log(output), spec.name), output / "curves.png")
    _tell(spec.name, output, console)
    return model


def _train_ranking(
    plan: RankingPlan,
    changes: dict[str, Any],
    data: Path | None,
    output: Path,
    device: str,
    console: Console,
    *,
    skip_bad: bool,
) -> Model:
    """Pretrain on the response in a folder of its own, then learn to rank."""
    from rm_engine.ranking import learn_to_rank, load_known
    from rm_engine.training import RECIPES

    recipe = replace(RECIPES[plan.data], spec=plan.pretraining)
    unnamed = {**changes, "name": None}
    pretrained = _train_response(recipe, unnamed, data, output / "pretraining", device, console, skip_bad=skip_bad)
    spec = _adjusted(plan.spec, **{**changes, "learning_rate": None})
    with _watch(f"{spec.name}, ranking", console) as watch:
        model = learn_to_rank(pretrained, replace(plan, spec=spec), load_known(data), output, watch=watch)
    _tell(spec.name, output, console)
    return model


def _train_head(
    plan: HeadPlan, changes: dict[str, Any], data: Path | None, output: Path, device: str, console: Console
) -> Model:
    """Learn to estimate a property."""
    from rm_engine.training import load_labelled, train_head

    spec = _adjusted(plan.spec, **changes)
    known = load_labelled(data, plan.key)
    with _watch(spec.name, console) as watch:
        model = train_head(replace(plan, spec=spec), *known, output, device=device, watch=watch)
    _tell(spec.name, output, console)
    return model


@contextmanager
def _watch(name: str, console: Console) -> Iterator[TrainingWatch]:
    """A bar for the steps and a line for every epoch."""
    from rm_engine.training import TrainingWatch

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, TimeRemainingColumn(), console=console) as progress:
        bar = progress.add_task(name, total=None)

        def on_epoch(record: Any) -> None:  # noqa: ANN401  # the scores of any training
            scores = {key: value for key, value in asdict(record).items() if key not in {"epoch", "learning_rate"}}
            known = "  ".join(f"{_label(key)} {value:.4f}" for key, value in scores.items() if value is not None)
            console.print(f"epoch {record.epoch:4d}  {known}", highlight=False)

        yield TrainingWatch(
            on_start=lambda done, total: progress.update(bar, completed=done, total=total),
            on_step=lambda done, _: progress.update(bar, completed=done),
            on_epoch=on_epoch,
            on_skip=lambda structure: console.print(f"left out: {structure}", highlight=False),
            on_search=lambda done, total: progress.update(bar, completed=done, total=total),
        )


def _label(score: str) -> str:
    return score.replace("validation_", "held out: ").replace("_", " ")


def _tell(name: str, output: Path, console: Console) -> None:
    console.print(f"The model is in {output}: {name}.json and {name}.safetensors.", highlight=False)


def _adjusted(spec: Spec, **changes: Any) -> Spec:  # noqa: ANN401  # fields of any type
    """The recipe's run with what the user changed."""
    return replace(spec, **{name: value for name, value in changes.items() if value is not None})
