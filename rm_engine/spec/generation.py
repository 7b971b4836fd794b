"""What a generation run is: a composition, boundary conditions and numbers, checked, and plain enough to store as
JSON.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from functools import cached_property
from typing import Any, Final, Self

from rm_engine.errors import InputError
from rm_engine.spec.card import ModelCard, read_card
from rm_engine.spec.cell import Cell, determinant
from rm_engine.spec.checks import (
    check_cell_given,
    check_choice,
    check_distances,
    check_layer,
    check_moves,
    check_pressure,
    check_range,
    check_seed_structure,
    check_starts,
    check_system,
    check_target_wanted,
    check_volume,
)
from rm_engine.spec.formula import Formula, check_size
from rm_engine.spec.limits import MAX_SAMPLES, MAX_SEED, MAX_STEPS
from rm_engine.spec.optimizers import OPTIMIZERS, OptimizerName
from rm_engine.spec.parts import Part, share_samples, usual_units
from rm_engine.spec.properties import PROPERTIES, SHIPPED_HEADS, PropertyRanges
from rm_engine.spec.seed_structure import SeedStructure
from rm_engine.spec.separations import parse_separations
from rm_engine.spec.space_groups import parse_space_groups
from rm_engine.spec.starts import RANDOM_ONLY, USUAL_MIX, StartMix
from rm_engine.spec.stoichiometry import rank_formulas
from rm_engine.spec.system import ChemicalSystem, parse_composition
from rm_engine.units import ATOMIC_MASSES, GRAMS_PER_CM3

_DENSEST_PACKING: Final = math.pi / math.sqrt(18)
CRYSTAL: Final = (True, True, True)
MOLECULE: Final = (False, False, False)
DEFAULT_MODEL: Final = "mp20-plus"
DEFAULT_MOLECULE_MODEL: Final = "qm7b"
DEFAULT_N: Final = 30
DEFAULT_SYSTEM_N: Final = 200


@dataclass(frozen=True, kw_only=True)
class GenerationSpec:
    """One generation run.

    Attributes:
        composition: formula, reduced or not, e.g. ``LiS2``, or a chemical system, e.g. ``Li-S``: then the samples are
            shared among its likely formulas, see :attr:`parts`. Systems are searched for crystals of free cell only.
        n: number of structures; :func:`default_n` says how many are usual.
        formula_units: how many times the formula as written goes into a cell; samples take them in turn. None stands
            for the usual numbers that keep the cell at or below 20 atoms. Not for a chemical system, whose formulas
            are of many sizes.
        periodic: which cell vectors are periodic; all for a crystal, none for a molecule.
        cell: starting cell, rows are vectors, Å. Required for mixed periodicity; the box atoms are placed in for
            molecules.
        fixed_cell: keep ``cell`` as it is during relaxation. Cells of mixed periodicity are always kept.
        fixed_volume: keep the volume that a crystal starts with; the shape of its cell relaxes.
        pressure: hydrostatic, on crystals of free cell, pseudo units per Å³; the relaxation minimises the enthalpy
            E + pV. Energies that are given back, and rank, are E.
        volume_per_atom: (lowest, highest) volume per atom of the starts, Å³; None takes the model's regression.
        density: of the starts, g/cm³; another way to set the volume.
        min_distance: least distance between two atoms of a start, Å; None takes a default per pair of elements.
        layer: (lowest, highest) height over the base of the cell, Å, between which atoms of a start are placed, along
            each vector that does not repeat. Only for what is partly periodic.
        seed_structure: atoms that are there already, in a cell that is kept; those of the composition are added to it
            at random. It says what ``cell`` and ``periodic`` are.
        relax_seed: let the atoms of the seed structure relax as well; else they stay where they are.
        separations: least distances between atoms of two elements of a start, Å, e.g. ``{"Li-S": 2.0, "S-S": 3.0}``;
            other pairs keep ``min_distance``, or the default.
        starts: shares of the kinds of start; None takes the usual mix. Only crystals of free cell have a choice.
        space_groups: those that starts are drawn in, see :func:`rm_engine.spec.space_groups.parse_space_groups`; the
            relaxation then keeps the symmetry, or finds a higher one. None for any start, and no symmetry kept. Only
            for crystals of free cell.
        swaps: how many times two atoms of different elements of a relaxed structure change places, after which it
            relaxes again and is kept by Metropolis' rule; the lowest is the sample's structure. Not for molecules,
            whose bonds say which atom is where, and not with ``space_groups``, which an exchange would break.
        hops: how many times a relaxed structure is shaken, after which the same happens. Not with ``space_groups``.
        generations: how many children each relaxed structure has, with others of the same atoms or by mutation, after
            which the same happens. Samples that are computed together are one population; not for molecules, and not
            with ``space_groups``.
        annealing: steps of dynamics that cools down, before the relaxation. Not with ``space_groups``.
        optimizer: what relaxes, see :mod:`rm_engine.relax`; None is FIRE.
        target: properties that crystals are pulled to as they relax, each with its (lowest, highest) value, e.g.
            ``{"band_gap": (1.0, 2.0)}``; see :mod:`rm_engine.spec.properties`.
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
    n: int = DEFAULT_N
    formula_units: tuple[int, ...] | None = None
    periodic: tuple[bool, bool, bool] = CRYSTAL
    cell: Cell | None = None
    fixed_cell: bool = False
    fixed_volume: bool = False
    pressure: float = 0.0
    volume_per_atom: tuple[float, float] | None = None
    density: float | None = None
    min_distance: float | None = None
    separations: Mapping[str, float] | None = None
    layer: tuple[float, float] | None = None
    seed_structure: SeedStructure | None = None
    relax_seed: bool = False
    starts: StartMix | None = None
    space_groups: tuple[int | str, ...] | None = None
    swaps: int = 0
    hops: int = 0
    generations: int = 0
    annealing: int = 0
    optimizer: OptimizerName | None = None
    target: PropertyRanges | None = None
    model: str = ""
    seed: int = 0
    fmax: float = 0.01
    max_steps: int = 2000
    match: bool = True

    def __post_init__(self) -> None:
        check_seed_structure(self)
        if self.seed_structure is not None:
            object.__setattr__(self, "cell", self.seed_structure.cell)
            object.__setattr__(self, "periodic", self.seed_structure.periodic)
            object.__setattr__(self, "fixed_cell", True)
        if not self.model:
            object.__setattr__(self, "model", default_model(self.periodic))
        if isinstance(self._target, ChemicalSystem):
            check_system(self)
        else:
            self._check_formula_units(self._target)
        check_range("n", self.n, 1, MAX_SAMPLES, f"Ask for 1 to {MAX_SAMPLES:,} structures.")
        check_range("seed", self.seed, 0, MAX_SEED, f"Give a whole number from 0 to {MAX_SEED}.")
        check_range("fmax", self.fmax, 1e-5, 1.0, "Give a force from 0.00001 to 1.")
        check_range("max_steps", self.max_steps, 1, MAX_STEPS, f"Give 1 to {MAX_STEPS:,} steps.")
        check_distances(self)
        check_volume(self)
        check_pressure(self)
        check_cell_given(self)
        check_layer(self)
        check_starts(self)
        check_moves(self)
        check_choice("optimizer", self.optimizer, OPTIMIZERS)
        check_target_wanted(self)

    @cached_property
    def _target(self) -> Formula | ChemicalSystem:
        """The parsed composition, the atoms of the seed structure included."""
        target = parse_composition(self.composition)
        if self.seed_structure is None or isinstance(target, ChemicalSystem):
            return target
        return self.seed_structure.formula + target

    @cached_property
    def allowed_space_groups(self) -> frozenset[int] | None:
        """Numbers of the space groups that starts are drawn in; None where symmetry does not matter."""
        return None if self.space_groups is None else parse_space_groups(self.space_groups)

    @cached_property
    def least_by_pair(self) -> Mapping[tuple[int, int], float]:
        """The ``separations``, Å, by two atomic numbers, in either order."""
        return parse_separations(self.separations or {}, self.elements)

    @cached_property
    def parts(self) -> tuple[Part, ...]:
        """The formulas that are searched, each with its samples: one formula, or those of a chemical system, the
        likeliest first, with so many samples that the most known crystals can be expected.
        """
        if isinstance(self._target, Formula):
            return (Part(self._target, 0, self.n, self._choose_units(self._target)),)
        ranked = rank_formulas(self._target)
        parts: list[Part] = []
        start = 0
        for (formula, _), n in zip(ranked, share_samples([weight for _, weight in ranked], self.n), strict=True):
            if n:
                parts.append(Part(formula, start, n, self._choose_units(formula)))
                start += n
        return tuple(parts)

    @property
    def elements(self) -> tuple[str, ...]:
        """Symbols of the elements, every one of which every formula has."""
        return self._target.elements

    @property
    def chemsys(self) -> str:
        """The chemical system of all formulas, e.g. ``Li-S``."""
        return "-".join(sorted(self.elements))

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
    def n_frozen(self) -> int:
        """How many atoms, the first of every structure, stay where they are."""
        return 0 if self.seed_structure is None or self.relax_seed else len(self.seed_structure.numbers)

    @property
    def start_mix(self) -> StartMix:
        """The shares of the kinds of start: those asked for, or the usual ones."""
        return self.starts or (USUAL_MIX if self.chooses_cell else RANDOM_ONLY)

    def volume_of(self, formula: Formula) -> tuple[float, float] | None:
        """(lowest, highest) volume of the cell of a start, Å³; None where none was asked for."""
        if self.volume_per_atom is not None:
            low, high = self.volume_per_atom
            return formula.n_atoms * low, formula.n_atoms * high
        if self.density is not None:
            mass = sum(ATOMIC_MASSES[number] for number in formula.atomic_numbers())
            return (mass * GRAMS_PER_CM3 / self.density,) * 2
        return None

    def part_of(self, sample: int) -> Part:
        """The part that a sample is of."""
        return self.parts[bisect_right(self.parts, sample, key=lambda part: part.start) - 1]

    def parts_within(self, start: int, stop: int) -> list[Part]:
        """The parts that samples from ``start`` to before ``stop`` are of."""
        return [part for part in self.parts if part.start < stop and start < part.start + part.n]

    def formula_of(self, sample: int) -> Formula:
        """The formula of the whole cell of one sample."""
        return self.part_of(sample).formula_of(sample)

    def turn_of(self, sample: int) -> int:
        """How many samples before this one have the same formula."""
        return self.part_of(sample).turn_of(sample)

    @property
    def atom_steps(self) -> int:
        """The most work that the run can be: atoms times relaxation steps, over all samples."""
        return sum(part.n_atoms for part in self.parts) * (self.max_steps * self.n_relaxations + self.annealing)

    @property
    def n_relaxations(self) -> int:
        """Times that a structure is relaxed."""
        return 1 + self.swaps + self.hops + self.generations

    def _choose_units(self, formula: Formula) -> tuple[int, ...]:
        """The numbers of formula units that samples of a formula take in turn."""
        if self.formula_units is not None:
            return self.formula_units
        if not self.chooses_cell:
            return (1,)
        return usual_units(formula)

    def check_against(self, card: ModelCard) -> None:
        """Raise :class:`InputError` where the model cannot answer this request.

        That is an element the model has not learned, a crystal of a model that learned molecules only, a target of
        which there is no estimate, or a volume into which the atoms cannot go at the separation asked for.
        """
        unknown = [symbol for symbol in self.elements if symbol not in card.elements]
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
        for name in self.target or ():
            if PROPERTIES[name].is_head:
                self._check_head(read_card(SHIPPED_HEADS / f"{name}.json"))
            elif card.formation is None:
                reason = f"the model {card.name!r} gives pseudo energies only"
                way = f"Use {DEFAULT_MODEL!r}, or another target."
                raise InputError("no_such_estimate", "target", name, reason, way)
        self._check_separations(card)

    def _check_head(self, head: ModelCard) -> None:
        unknown = [symbol for symbol in self.elements if symbol not in head.elements]
        if unknown:
            reason = f"what estimates it has not learned {', '.join(unknown)}"
            raise InputError("no_such_estimate", "target", head.name, reason, "Leave it out, or the elements.")

    def _check_separations(self, card: ModelCard) -> None:
        """A packing of spheres is never denser than the densest lattice packing (Kepler); refuse what lies beyond."""
        if self.min_distance is None or self.is_molecule or self.seed_structure is not None:
            return
        largest = self._largest_volume_per_atom(card)
        closest = min([self.min_distance, *self.least_by_pair.values()])
        needed = math.pi / 6 * closest**3 / _DENSEST_PACKING
        if needed > largest:
            raise InputError(
                "impossible_separation",
                "min_distance",
                self.min_distance,
                f"atoms {closest:g} Å apart need at least {needed:.1f} Å³ each, the cell gives {largest:.1f}",
                "Lower min_distance or raise volume_per_atom.",
            )

    def _largest_volume_per_atom(self, card: ModelCard) -> float:
        """Å³ that the atoms of every formula can have at most."""
        if self.cell is not None:
            return abs(determinant(self.cell)) / min(part.sizes[0] for part in self.parts)
        formulas = [part.formula for part in self.parts]
        return min((self.volume_of(each) or (0, card.volume_of(each)))[1] / each.n_atoms for each in formulas)

    def _check_formula_units(self, formula: Formula) -> None:
        for units in self.formula_units or ():
            check_range("formula_units", units, 1, MAX_SAMPLES, "Give a whole number of formula units.")
            check_size(formula * units, units, "formula_units")
        if self.formula_units == ():
            raise InputError(
                "out_of_range", "formula_units", (), "no number of formula units", "Give at least one, or none."
            )

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON; :meth:`from_json` is the inverse.

        Options that ask for nothing, as they do by default, are left out: a worker of the version before, which does
        not know the newest of them, can do the runs that do not use them.
        """
        neutral = {field.name: field.default for field in fields(self) if not field.default}
        return {name: value for name, value in asdict(self).items() if neutral.get(name, ...) != value}

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
        if isinstance(values.get("target"), Mapping):
            values["target"] = {name: _as_tuples(wanted) for name, wanted in values["target"].items()}
        if isinstance(values.get("seed_structure"), Mapping):
            values["seed_structure"] = SeedStructure.from_json(values["seed_structure"])
        return cls(**values)


def default_model(periodic: tuple[bool, bool, bool]) -> str:
    """Name of the model for a boundary where the caller names none."""
    return DEFAULT_MODEL if any(periodic) else DEFAULT_MOLECULE_MODEL


def default_n(composition: str) -> int:
    """Number of structures where the caller gives none: of a chemical system more, for many formulas share them.

    Raises:
        InputError: neither a formula nor a chemical system.
    """
    return DEFAULT_SYSTEM_N if isinstance(parse_composition(composition), ChemicalSystem) else DEFAULT_N


def _as_tuples(value: Any) -> Any:  # noqa: ANN401  # any JSON value
    return tuple(_as_tuples(item) for item in value) if isinstance(value, list | tuple) else value
