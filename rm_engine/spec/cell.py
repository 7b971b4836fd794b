"""The cell of a run."""

from __future__ import annotations

import math

from rm_engine.errors import InputError

Cell = tuple[tuple[float, float, float], tuple[float, float, float], tuple[float, float, float]]
"""Rows are vectors, Å."""


def determinant(cell: Cell) -> float:
    """Signed volume of a cell, Å³; positive when the vectors are right-handed."""
    (a, b, c), (d, e, f), (g, h, i) = cell
    return a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g)


def heights(cell: Cell) -> list[float]:
    """Å between the opposite faces of a cell, along each of its vectors."""
    (a, b, c), (d, e, f), (g, h, i) = cell
    areas = (
        math.hypot(e * i - f * h, f * g - d * i, d * h - e * g),
        math.hypot(h * c - i * b, i * a - g * c, g * b - h * a),
        math.hypot(b * f - c * e, c * d - a * f, a * e - b * d),
    )
    return [abs(determinant(cell)) / area for area in areas]


def check_cell(cell: Cell) -> None:
    """Raise :class:`InputError` for a cell in which no atoms could be placed."""
    lengths = [math.hypot(*row) for row in cell]
    for row, length in zip(cell, lengths, strict=True):
        if not (1.0 <= length <= 200.0):
            raise InputError(
                "impossible_cell",
                "cell",
                row,
                f"a cell vector is {length:.3g} Å long",
                "Use vectors of 1 to 200 Å.",
            )
    volume = determinant(cell)
    if volume < 0.05 * math.prod(lengths):
        raise InputError(
            "impossible_cell",
            "cell",
            cell,
            "the cell vectors are almost in one plane or left-handed",
            "Give three right-handed vectors, rows of the cell, in Å.",
        )
