"""``rmatch models``."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from rm_engine.spec import ModelCard, find_model, list_models, read_card, read_fingerprint
from rmatch.completion import complete_model
from rmatch.output import Json, print_json
from rmatch.tables import energy_text
from service.settings import Settings

_MOST_NAMED: Final = 10
_SCORES: Final = {
    "loss": "loss",
    "force_rmse": "force error",
    "stress_rmse": "stress error",
    "validation_loss": "loss, held out",
    "validation_force_rmse": "force error, held out",
    "validation_stress_rmse": "stress error, held out",
}


def models(
    name: Annotated[
        str | None,
        typer.Argument(help="Show the card of this model; without it, list all.", autocompletion=complete_model),
    ] = None,
    as_json: Json = False,
) -> None:
    """List the models that can be asked for, or show what one of them is and how it was made."""
    directories = Settings().model_directories
    if name is None:
        found = list(list_models(directories))
        if as_json:
            print_json([_plain(path) for _, path in found])
        else:
            Console().print(_list(found))
        return
    path = find_model(name, directories)
    if as_json:
        print_json(_plain(path))
        return
    card = read_card(path)
    facts = {**_describe(card), "fingerprint": read_fingerprint(path), "file": str(path)}
    table = Table("", "", title=name, title_justify="left", title_style="bold", box=SIMPLE_HEAD, show_header=False)
    for fact, value in facts.items():
        table.add_row(fact, value)
    Console().print(table)


def _plain(path: Path) -> dict[str, Any]:
    card = read_card(path)
    return {**asdict(card), "energy_kind": card.energy_kind, "fingerprint": read_fingerprint(path), "file": path}


def _list(found: Iterable[tuple[str, Path]]) -> Table:
    table = Table("model", "for", "energy", "elements", "cutoff / Å", "file", title="Models")
    for name, path in found:
        card = read_card(path)
        known = _name_elements(card) if len(card.elements) <= _MOST_NAMED else f"{len(card.elements)} elements"
        cutoff = f"{card.potential.cutoff:g}"
        table.add_row(name, f"{card.boundary}s", energy_text(card.energy_kind), known, cutoff, str(path))
    return table


def _describe(card: ModelCard) -> dict[str, str]:
    """What is worth knowing of a model, as text."""
    potential, training = card.potential, card.training
    return {
        "for": f"{card.boundary}s",
        "energy": energy_text(card.energy_kind),
        "elements": f"{len(card.elements)}: {_name_elements(card)}",
        "potential": f"cutoff {potential.cutoff:g} Å, l_max {potential.l_max}, nu_max {potential.nu_max}, "
        f"{potential.n_embedding} embedding components{' each' if potential.separate_receiver_embedding else ''}",
        "data": str(training.get("source", "not recorded")),
        **{f"  {part}": text for part, text in _describe_data(training.get("data", {})).items()},
        "training": _describe_run(training),
        **_describe_scores(training.get("scores", {})),
    }


def _name_elements(card: ModelCard) -> str:
    return " ".join(card.elements)


def _describe_data(data: dict[str, Any]) -> dict[str, str]:
    parts = {
        part: f"{data[part]['n_structures']:,} structures, SHA-256 {data[part]['sha256'][:12]}…"
        for part in ("training", "validation")
        if part in data
    }
    return parts | ({"left out": str(data["n_skipped"])} if data.get("n_skipped") else {})


def _describe_run(training: Any) -> str:  # noqa: ANN401  # JSON of the card
    spec = training.get("spec", {})
    settings = {
        "epochs": spec.get("n_epochs"),
        "steps": training.get("n_steps"),
        "batch": spec.get("batch_size"),
        "learning rate": spec.get("learning_rate"),
        "seed": spec.get("seed"),
    }
    return ", ".join(f"{name} {value:,}" for name, value in settings.items() if value is not None)


def _describe_scores(scores: dict[str, Any]) -> dict[str, str]:
    return {text: f"{scores[key]:.4f}" for key, text in _SCORES.items() if scores.get(key) is not None}
