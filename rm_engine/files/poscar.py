"""Reading VASP's POSCAR, with the line of whatever does not parse."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from rm_engine.errors import FileFormatError
from rm_engine.files.stored import FileLimits, check_cell, check_size
from rm_engine.units import ATOMIC_NUMBERS

if TYPE_CHECKING:
    from ase import Atoms


class _Lines:
    """Lines taken one after the other; an error knows the line it happened on."""

    def __init__(self, text: str, name: str) -> None:
        self.name = name
        self.number = 0
        self._lines = text.splitlines()

    def take(self) -> str:
        self.number += 1
        if self.number > len(self._lines):
            raise self.error("the file ends too early")
        return self._lines[self.number - 1].strip()

    def take_numbers(self, *allowed: int) -> list[float]:
        """The leading numbers of the next line, as many as the largest of ``allowed`` that is there."""
        fields = self.take().split()
        for count in allowed:
            try:
                if len(fields) >= count:
                    return [float(field) for field in fields[:count]]
            except ValueError:
                continue
        raise self.error(f"expected {' or '.join(map(str, allowed))} numbers")

    def error(self, reason: str) -> FileFormatError:
        return FileFormatError(self.name, reason, self.number)


def parse_poscar(text: str, name: str, limits: FileLimits) -> list[Atoms]:
    """The one structure of a POSCAR text that names its elements (VASP 5 and later); velocities are skipped.

    Raises:
        FileFormatError: with the line, where the text does not parse or is over a limit.
    """
    import numpy as np
    from ase import Atoms

    lines = _Lines(text, name)
    lines.take()  # title
    scale = np.array(lines.take_numbers(3, 1))
    cell = np.array([lines.take_numbers(3) for _ in range(3)])
    numbers = _read_species(lines, limits)
    is_cartesian = _read_is_cartesian(lines)
    coordinates = np.array([lines.take_numbers(3) for _ in numbers])
    with np.errstate(over="ignore", invalid="ignore"):  # what comes of that is refused below
        if len(scale) == 1 and scale[0] < 0:  # a negative scale is the volume of the cell
            volume = abs(np.linalg.det(cell))
            scale = np.cbrt(-scale / volume) if volume > 0 else scale
        positions = coordinates * scale if is_cartesian else coordinates @ (cell * scale)
        atoms = Atoms(numbers=numbers, positions=positions, cell=cell * scale, pbc=True)
    check_cell(atoms, name, 5)
    return [atoms]


def _read_species(lines: _Lines, limits: FileLimits) -> list[int]:
    """Atomic number of every atom, from the line of symbols and the line of counts."""
    symbols = [re.split("[_/]", field)[0] for field in lines.take().split()]  # Li_sv and Li/0123 name potentials
    unknown = [symbol for symbol in symbols if symbol not in ATOMIC_NUMBERS]
    if unknown or not symbols:
        raise lines.error(f"expected element symbols, not {' '.join(unknown)[:40]!r}")
    try:
        counts = [int(field) for field in lines.take().split()]
    except ValueError as error:
        raise lines.error("expected a number of atoms for each element") from error
    if len(counts) != len(symbols) or min(counts) < 1:
        raise lines.error(f"expected {len(symbols)} numbers of atoms, each at least 1")
    check_size(sum(counts), limits, lines.name, lines.number)
    return [ATOMIC_NUMBERS[symbol] for symbol, count in zip(symbols, counts, strict=True) for _ in range(count)]


def _read_is_cartesian(lines: _Lines) -> bool:
    mode = lines.take()
    if mode[:1] in ("s", "S"):  # selective dynamics: flags after the coordinates, which are skipped
        mode = lines.take()
    if mode[:1] not in tuple("cCkKdD"):
        raise lines.error(f"expected Direct or Cartesian, not {mode[:40]!r}")
    return mode[0] in "cCkK"
