"""The plain JSON form of a structure, which the database stores."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ase import Atoms


def to_json(atoms: Atoms) -> dict[str, Any]:
    """The structure in plain values; :func:`from_json` is the inverse.

    Returns:
        ``numbers`` (n_atoms); ``positions`` (n_atoms, 3), Å; ``cell`` (3, 3), a vector per row, Å; ``periodic`` (3).
    """
    return {
        "numbers": atoms.numbers.tolist(),
        "positions": atoms.positions.tolist(),
        "cell": atoms.cell.array.tolist(),
        "periodic": atoms.pbc.tolist(),
    }


def from_json(data: Mapping[str, Any]) -> Atoms:
    """The structure stored by :func:`to_json`."""
    from ase import Atoms

    return Atoms(numbers=data["numbers"], positions=data["positions"], cell=data["cell"], pbc=data["periodic"])
