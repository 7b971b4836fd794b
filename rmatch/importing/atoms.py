"""Structures from what others' databases say of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, TypeVar

from ase import Atoms
from pydantic import BaseModel, Field, ValidationError

from rm_engine.errors import FileFormatError
from rm_engine.files import FileLimits, to_json
from rm_engine.files.stored import check_cell, check_size
from rm_engine.units import ATOMIC_NUMBERS
from rmatch.importing.source import NamedAtoms, SkippedError

Length = Annotated[float, Field(allow_inf_nan=False)]
"""Å."""
Vector = tuple[Length, Length, Length]
Name = Annotated[str, Field(max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$")]
"""Without what would steer a terminal, or what no database stores."""

_Model = TypeVar("_Model", bound=BaseModel)


def validate(model: type[_Model], content: object, name: str) -> _Model:
    """What a database says, as a model.

    Raises:
        FileFormatError: it says something else.
    """
    try:
        return model.model_validate(content)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise FileFormatError(name, f"{'.'.join(map(str, first['loc']))[:80]}: {first['msg']}") from error


def build_atoms(
    name: str,
    symbols: Sequence[str],
    positions: Sequence[Vector],
    cell: Sequence[Vector],
    periodic: Sequence[bool] = (True, True, True),
) -> NamedAtoms:
    """A structure of these elements at these positions, lengths in Å.

    Raises:
        SkippedError: a symbol stands for no element.
        FileFormatError: the structure cannot be, or is over a limit.
    """
    foreign = sorted(set(symbols) - ATOMIC_NUMBERS.keys())
    if foreign:
        raise SkippedError(f"{name}: {', '.join(foreign)[:40]!r} is no element")
    check_size(len(symbols), FileLimits(), name)
    if len(positions) != len(symbols):
        raise FileFormatError(name, f"{len(positions)} positions of {len(symbols)} atoms")
    atoms = Atoms(numbers=[ATOMIC_NUMBERS[symbol] for symbol in symbols], positions=positions, cell=cell, pbc=periodic)
    check_cell(atoms, name)
    return name, to_json(atoms)
