"""What a property of structures is: its value, and what filters on it compare."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from service.domain.views import StructureOrder, StructureView


class DataType(StrEnum):
    """Types of values, as OPTIMADE names them."""

    STRING = "string"
    INTEGER = "integer"
    FLOAT = "float"
    BOOLEAN = "boolean"
    TIMESTAMP = "timestamp"
    LIST = "list"


@dataclass(frozen=True)
class Property:
    """A property of structures.

    Attributes:
        type: of its value.
        description: what it is.
        read: its value for a structure; None where it is unknown.
        field: what filters on it compare, see :mod:`service.domain.filters`; None where it cannot be filtered by.
        item_type: of a list that can be filtered by.
        length: of a list: the field that holds it, or the number that it always is.
        constant: the value that it always has.
        unit: of the number.
        order: by which it is sorted.
        is_always_known: whether it is known for every structure.
        needs_atoms: whether the structure must come with its atoms.
    """

    type: DataType
    description: str
    read: Callable[[StructureView], Any]
    field: str | None = None
    item_type: DataType | None = None
    length: str | int | None = None
    constant: Any = None
    unit: str | None = None
    order: StructureOrder | None = None
    is_always_known: bool = False
    needs_atoms: bool = False
