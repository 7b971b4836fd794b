"""What a generation run is: a composition, boundary conditions and numbers, checked, and plain enough to store as
JSON.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Final, Self

from rm_engine.errors import InputError
from rm_engine.spec.card import ModelCard
from rm_engine.spec.formula import Formula, check_size, parse_formula
from rm_engine.spec.limits import DEFAULT_MAX_ATOMS, MAX_SAMPLES, MAX_SEED, MAX_STEPS
from rm_engine.spec.starts import RANDOM_ONLY, USUAL_MIX, StartMix

Cell = tuple[tuple[float, float, float], tuple[float, float, float], tuple[float, float, float]]

USUAL_FORMULA_UNITS: Final = (1, 2, 4, 1, 2, 3, 1, 2, 4, 6, 1, 2, 8)
"""Formula units in the cells of successive samples, about as often as in primitive cells of the Materials Project: of
the MP-20 training set 53 % hold one, 34 % two, 10 % four and 2 % three. Those that make the cell too large are left
out."""

_DENSEST_PACKING: Final = math.pi / math.sqrt(18)
CRYSTAL: Final = (True, True, True)
MOLECULE: Final = (False, False, False)
DEFAULT_MODEL: Final = "mp20-plus"
DEFAULT_MOLECULE_MODEL: Final = "qm7b"


@dataclass(frozen=True, kw_only=True)
class GenerationSpec:
    """One generation run.

    Attributes:
        composition: formula, reduced or not, e.g. ``LiS2``.
        n: number of structures.
        formula_units: how many times the formula as written goes into a cell; samples take them in turn. None stands
            for the usual numbers that keep the cell at or below 20 atoms.
        periodic: which cell vectors are periodic; all for a crystal, none for a molecule.
        cell: starting cell, rows are vectors, Å. Required for mixed periodicity; the box atoms are placed in for
            molecules.
        fixed_cell: keep ``cell`` as it is during relaxation. Cells of mixed periodicity are always kept.
        volume_per_atom: (lowest, highest) volume per atom of the random starts, Å³; None takes the model's regression.
        min_distance: least distance between two atoms of a start, Å; None takes a default per pair of elements.
        starts: shares of the kinds of start; None takes the usual mix. Only crystals of free cell have a choice.
        model: name of the model; left empty, it becomes the default for the boundary, see :func:`default_model`.
        seed: seed of the job; sample k is drawn from (seed, k).
        fmax: converged when no force (and no cell gradient) is larger, pseudo units; of a molecule, than a tenth of
            it.
        max_steps: most relaxation steps for a structure, after the up to 100 in which a crystal of free cell settles at
            fixed volume.
        match: compare the results with the known structures.

    Raises:
        InputError: on construction, for any field out of its bounds.
    """

    composition: str
    n: int = 30
    formula_units: tuple[int, ...] | None = None
    periodic: tuple[bool, bool, bool] = CRYSTAL
    cell: Cell | None = None
    fixed_cell: bool = False
    volume_per_atom: tuple[float, float] | None = None
    min_distance: float | None = None
    starts: StartMix | None = None
    model: str = ""
    seed: int = 0
    fmax: float = 0.01
    max_steps: int = 2000
    match: bool = True

    def __post_init__(self) -> None:
        if not self.model:
            object.__setattr__(self, "model", default_model(self.periodic))
        formula = parse_formula(self.composition)
        for units in self.formula_units or ():
            _check_range("formula_units", units, 1, MAX_SAMPLES, "Give a whole number of formula units.")
            check_size(formula * units, units, "formula_units")
        if self.formula_units == ():
            raise InputError(
                "out_of_range", "formula_units", (), "no number of formula units", "Give at least one, or none."
            )
        _check_range("n", self.n, 1, MAX_SAMPLES, f"Ask for 1 to {MAX_SAMPLES:,} structures.")
        _check_range("seed", self.seed, 0, MAX_SEED, f"Give a whole number from 0 to {MAX_SEED}.")
        _check_range("fmax", self.fmax, 1e-5, 1.0, "Give a force from 0.00001 to 1.")
        _check_range("max_steps", self.max_steps, 1, MAX_STEPS, f"Give 1 to {MAX_STEPS:,} steps.")
        if self.min_distance is not None:
            _check_range("min_distance", self.min_distance, 0.1, 10.0, "Give a distance from 0.1 to 10 Å.")
        self._check_volume()
        self._check_cell()
        self._check_starts()

    @property
    def formula(self) -> Formula:
        """The parsed composition."""
        return parse_formula(self.composition)

    @property
    def is_crystal(self) -> bool:
        """Whether all three cell vectors are periodic."""
        return all(self.periodic)

    @property
    def is_molecule(self) -> bool:
        """Whether no cell vector is periodic."""
        return not any(self.periodic)

    @property
    def chooses_cell(self) -> bool:
        """Whether the search chooses the cell: that of a crystal for which none is given."""
        return self.is_crystal and self.cell is None

    @property
    def start_mix(self) -> StartMix:
        """The shares of the kinds of start: those asked for, or the usual ones."""
        return self.starts or (USUAL_MIX if self.chooses_cell else RANDOM_ONLY)

    def choices_of_formula_units(self) -> tuple[int, ...]:
        """The numbers of formula units that the samples take in turn."""
        if self.formula_units is not None:
            return self.formula_units
        if not self.chooses_cell:
            return (1,)
        n_atoms = self.formula.n_atoms
        return tuple(k for k in USUAL_FORMULA_UNITS if k * n_atoms <= DEFAULT_MAX_ATOMS) or (1,)

    def formula_of(self, sample: int) -> Formula:
        """The formula of the whole cell of one sample."""
        choices = self.choices_of_formula_units()
        return self.formula * choices[sample % len(choices)]

    @property
    def atom_steps(self) -> int:
        """The most work that the run can be: atoms times relaxation steps, over all samples."""
        choices = self.choices_of_formula_units()
        cycles, rest = divmod(self.n, len(choices))
        n_units = cycles * sum(choices) + sum(choices[:rest])
        return self.formula.n_atoms * n_units * self.max_steps

    def turn_of(self, sample: int) -> int:
        """How many samples before this one have the same formula."""
        choices = self.choices_of_formula_units()
        cycles, place = divmod(sample, len(choices))
        units = choices[place]
        return cycles * choices.count(units) + choices[:place].count(units)

    def check_against(self, card: ModelCard) -> None:
        """Raise :class:`InputError` where the model cannot answer this request.

        That is an element the model has not learned, a crystal of a model that learned molecules only, or a volume into
        which the atoms cannot go at the separation asked for.
        """
        unknown = [symbol for symbol in self.formula.elements if symbol not in card.elements]
        if unknown:
            raise InputError(
                "element_not_in_model",
                "composition",
                self.composition,
                f"the model {card.name!r} has not learned {', '.join(unknown)}",
                "Use elements that the model knows (GET /models lists them), or another model.",
            )
        if not self.is_molecule and card.boundary == "molecule":
            raise InputError(
                "model_of_molecules",
                "model",
                card.name,
                "it has learned nothing but molecules, and so no response to strain",
                f"Ask it for molecules, or ask for this crystal with {DEFAULT_MODEL!r}.",
            )
        self._check_separations(card)

    def _check_separations(self, card: ModelCard) -> None:
        """A packing of spheres is never denser than the densest lattice packing (Kepler); refuse what lies beyond."""
        if self.min_distance is None or self.is_molecule:
            return
        largest = self._largest_volume_per_atom(card)
        needed = math.pi / 6 * self.min_distance**3 / _DENSEST_PACKING
        if needed > largest:
            raise InputError(
                "impossible_separation",
                "min_distance",
                self.min_distance,
                f"atoms {self.min_distance:g} Å apart need at least {needed:.1f} Å³ each, the cell gives {largest:.1f}",
                "Lower min_distance or raise volume_per_atom.",
            )

    def _largest_volume_per_atom(self, card: ModelCard) -> float:
        if self.cell is not None:
            n_atoms = min(self.formula.n_atoms * units for units in self.choices_of_formula_units())
            return abs(determinant(self.cell)) / n_atoms
        if self.volume_per_atom is not None:
            return self.volume_per_atom[1]
        return card.volume_of(self.formula) / self.formula.n_atoms

    def _check_volume(self) -> None:
        if self.volume_per_atom is None:
            return
        low, high = self.volume_per_atom
        for bound in (low, high):
            _check_range("volume_per_atom", bound, 1.0, 1000.0, "Give volumes from 1 to 1000 Å³ per atom.")
        if low > high:
            raise InputError(
                "impossible_volume", "volume_per_atom", (low, high), "the range is empty", "Give [lowest, highest]."
            )
        if self.cell is not None:
            raise InputError(
                "conflicting_fields",
                "volume_per_atom",
                (low, high),
                "the cell already sets the volume",
                "Give only one.",
            )

    def _check_starts(self) -> None:
        informed = self.starts is not None and (self.starts.references > 0 or self.starts.wyckoff > 0)
        if informed and not self.chooses_cell:
            raise InputError(
                "conflicting_fields",
                "starts",
                asdict(self.starts) if self.starts else None,
                "known structures and Wyckoff positions bring a cell of their own, and only crystals have one",
                "Leave out the cell, or ask for random starts.",
            )

    def _check_cell(self) -> None:
        if self.cell is None:
            self._require_no_cell_needed()
            return
        lengths = [math.hypot(*row) for row in self.cell]
        for row, length in zip(self.cell, lengths, strict=True):
            if not (1.0 <= length <= 200.0):
                raise InputError(
                    "impossible_cell",
                    "cell",
                    row,
                    f"a cell vector is {length:.3g} Å long",
                    "Use vectors of 1 to 200 Å.",
                )
        volume = determinant(self.cell)
        if volume < 0.05 * math.prod(lengths):
            raise InputError(
                "impossible_cell",
                "cell",
                self.cell,
                "the cell vectors are almost in one plane or left-handed",
                "Give three right-handed vectors, rows of the cell, in Å.",
            )

    def _require_no_cell_needed(self) -> None:
        if not (self.is_crystal or self.is_molecule):
            raise InputError(
                "cell_required",
                "cell",
                None,
                "a partly periodic boundary needs a cell",
                "Give the cell, rows are vectors in Å.",
            )
        if self.fixed_cell:
            raise InputError("cell_required", "cell", None, "there is no cell to keep fixed", "Give the cell as well.")

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON; :meth:`from_json` is the inverse."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """The run stored by :meth:`to_json`.

        Raises:
            InputError: a field is unknown or out of bounds.
        """
        unknown = set(data) - {field.name for field in fields(cls)}
        if unknown:
            raise InputError(
                "unknown_field", min(unknown), data[min(unknown)], "there is no such field", "Leave it out."
            )
        values = {name: _as_tuples(value) for name, value in data.items()}
        if isinstance(values.get("starts"), Mapping):
            values["starts"] = StartMix(**values["starts"])
        return cls(**values)


def default_model(periodic: tuple[bool, bool, bool]) -> str:
    """Name of the model for a boundary where the caller names none."""
    return DEFAULT_MODEL if any(periodic) else DEFAULT_MOLECULE_MODEL


def determinant(cell: Cell) -> float:
    """Signed volume of a cell, Å³; positive when the vectors are right-handed."""
    (a, b, c), (d, e, f), (g, h, i) = cell
    return a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g)


def _as_tuples(value: Any) -> Any:  # noqa: ANN401  # any JSON value
    return tuple(_as_tuples(item) for item in value) if isinstance(value, list | tuple) else value


def _check_range(field: str, value: float, low: float, high: float, hint: str) -> None:
    if not low <= value <= high:  # also refuses NaN
        raise InputError("out_of_range", field, value, f"the value must lie between {low:g} and {high:g}", hint)
