"""What the shell proposes when a word is begun."""

from __future__ import annotations

from rm_engine.spec import START_KINDS, list_models
from rm_engine.spec.space_groups import find_names
from service.settings import Settings


def complete_model(incomplete: str) -> list[str]:
    """Names of models that begin so."""
    return [name for name, _ in list_models(Settings().model_directories) if name.startswith(incomplete)]


def complete_starts(incomplete: str) -> list[str]:
    """Kinds of start that begin so."""
    return [kind for kind in START_KINDS if kind.startswith(incomplete)]


def complete_space_groups(incomplete: str) -> list[str]:
    """Systems and symbols that go on so, after those that are named already."""
    before, comma, begun = incomplete.rpartition(",")
    return [before + comma + name for name in find_names(begun)]
