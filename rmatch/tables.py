"""Structures in tables for the terminal."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from rich.box import SIMPLE_HEAD
from rich.table import Table

_COLUMNS: Final = ("formula", "atoms", "energy/atom", "above hull", "space group", "known as")
_NUMBERS: Final = {"atoms", "energy/atom", "above hull"}


def structure_table(title: str, items: Iterable[dict[str, Any]]) -> Table:
    """A table of structures as the API gives them; energies are pseudo energies."""
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, title_style="bold", pad_edge=False)
    for name in _COLUMNS:
        table.add_column(name, justify="right" if name in _NUMBERS else "left", no_wrap=name != "known as")
    for item in items:
        above = item["energy_above_hull"]
        table.add_row(
            item["formula"],
            str(item["n_atoms"]),
            f"{item['pseudo_energy_per_atom']:.5f}",
            "" if above is None else f"{above:.5f}",
            space_group_text(item["space_group"]),
            ", ".join(match["name"] for match in item["matches"][:1]),
        )
    return table


def space_group_text(space_group: dict[str, Any] | None) -> str:
    """E.g. ``Fm-3m (225)``."""
    return f"{space_group['symbol']} ({space_group['number']})" if space_group else ""
