"""``rmatch models``."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from rm_engine.spec import list_models, read_card
from service.settings import Settings


def models() -> None:
    """List the models that can be asked for."""
    table = Table("model", "elements", "cutoff / Å", "l_max", "nu_max", "file", title="Models")
    for name, path in list_models(Settings().model_directories):
        card = read_card(path)
        elements = ", ".join(card.elements) if len(card.elements) <= 10 else f"{len(card.elements)} elements"
        potential = card.potential
        table.add_row(name, elements, f"{potential.cutoff:g}", str(potential.l_max), str(potential.nu_max), str(path))
    Console().print(table)
