"""All properties of structures, and what there is no property for."""

from __future__ import annotations

from typing import Final

from rm_engine.errors import InputError
from service.optimade.own import OWN, PREFIX
from service.optimade.properties import Property
from service.optimade.standard import STANDARD

PROPERTIES: Final[dict[str, Property]] = STANDARD | OWN

ORDERS: Final = {name: found.order for name, found in PROPERTIES.items() if found.order is not None}
"""What lists may be sorted by."""

UNSUPPORTED: Final = frozenset({
    "assemblies", "space_group_symmetry_operations_xyz", "space_group_symbol_hall",
    "space_group_symbol_hermann_mauguin", "space_group_symbol_hermann_mauguin_extended",
})  # fmt: skip
"""What OPTIMADE names besides: of every structure unknown."""

RELATED: Final = frozenset({"structures", "references", "calculations", "files"})
"""Entries that structures might be related to."""


def is_foreign(name: str) -> bool:
    """Whether a property is another database's."""
    return name.startswith("_") and not name.startswith(PREFIX)


def unknown_property(parameter: str, name: str) -> InputError:
    """The error for a property that is neither OPTIMADE's nor ours."""
    hint = "GET /optimade/v1/info/structures lists the properties."
    return InputError("unknown_property", parameter, name, f"there is no property {name[:40]!r}", hint)
