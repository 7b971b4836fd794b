"""``rmatch models``."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from rm_engine.spec import list_models, read_card
from rmatch.tables import energy_text
from service.settings import Settings


def models() -> None:
    """List the models that can be asked for."""
    table = Table("model", "for", "energy", "elements", "cutoff / Å", "file", title="Models")
    for name, path in list_models(Settings().model_directories):
        card = read_card(path)
        elements = ", ".join(card.elements) if len(card.elements) <= 10 else f"{len(card.elements)} elements"
        row = (
            name,
            f"{card.boundary}s",
            energy_text(card.energy_kind),
            elements,
            f"{card.potential.cutoff:g}",
            str(path),
        )
        table.add_row(*row)
    Console().print(table)
