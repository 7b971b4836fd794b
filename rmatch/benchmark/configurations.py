"""What a benchmark compares, as users write it: ``MODEL`` or ``MODEL:STARTS``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from rm_engine.spec import START_KINDS, StartMix, default_model, find_model, read_card
from rm_engine.spec.generation import CRYSTAL
from rmatch.errors import CommandError
from service.settings import Settings

if TYPE_CHECKING:
    from rm_engine.evaluation.prediction import Configuration

_PAPER = "mp20"
"""The model of the paper's architecture, and of its random starts."""
_USUAL, _BLIND = "default", "blind"


def parse_configurations(texts: list[str] | None, references: Path | None) -> tuple[Configuration, ...]:
    """The things to compare.

    Args:
        texts: each ``MODEL`` or ``MODEL:STARTS``; a model is a name or a path that ends in ``.json``, starts are
            ``default``, ``blind`` (the same without references), one kind, or shares such as ``references=2,random=1``.
            None takes the default model, with references if there are any and blind, and the paper's protocol.
        references: known structures that searches may start from.

    Raises:
        CommandError: one is given twice, does not parse, or needs references that are not given.
        ModelNotFoundError: there is no such model.
        InputError: shares that are none.
    """
    texts = texts or _usual_texts(references)
    if len(set(texts)) < len(texts):
        raise CommandError(f"One --config is given twice: {', '.join(texts)}. Give each once.")
    return tuple(_parse(text, references) for text in texts)


def _usual_texts(references: Path | None) -> list[str]:
    usual = default_model(CRYSTAL)
    return [*([usual] if references else []), f"{usual}:{_BLIND}", f"{_PAPER}:random"]


def _parse(text: str, references: Path | None) -> Configuration:
    from rm_engine.evaluation.prediction import Configuration

    model, _, starts = text.partition(":")
    mix = parse_starts("" if starts == _BLIND else starts)
    if mix is not None and mix.references > 0 and references is None:
        raise CommandError(f"--config {text} starts from known structures. Give them as --references PATH.")
    return Configuration(label=text, model=find_model_file(model), starts=mix, is_blind=starts == _BLIND)


def parse_starts(text: str) -> StartMix | None:
    """The mix of starts that a text stands for; None is the usual one.

    Raises:
        CommandError: it is none.
        InputError: shares that are none.
    """
    if text in ("", _USUAL):
        return None
    shares: dict[str, float] = {}
    for part in text.split(","):
        kind, _, share = part.partition("=")
        try:
            shares[kind] = float(share or 1)
        except ValueError as error:
            raise CommandError(f"{share!r} in {text!r} is no share. Write e.g. references=2,random=1.") from error
    unknown = shares.keys() - set(START_KINDS)
    if unknown:
        kinds = ", ".join((_USUAL, _BLIND, *START_KINDS))
        raise CommandError(
            f"There is no start {min(unknown)!r}. Use one of: {kinds}; or shares, references=2,random=1."
        )
    return StartMix(**shares)


def find_model_file(name: str) -> Path:
    """Path of the JSON half of a model, by its name or as it is.

    Raises:
        ModelNotFoundError: there is no such model.
        CheckpointError: it is there but is none.
    """
    path = Path(name) if name.endswith(".json") else find_model(name, Settings().model_directories)
    read_card(path)
    return path
