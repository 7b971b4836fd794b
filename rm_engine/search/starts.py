"""The start of every sample: its kind, and the structure."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final, Generic, TypeVar

import numpy as np
from ase import Atoms

from rm_engine.prototypes import Assignment, draw_crystal, load_prototypes
from rm_engine.search.random_start import draw_random, draw_volume
from rm_engine.search.separation import closest_contact, least_distances
from rm_engine.search.substitution import (
    Candidate,
    Reference,
    Substitution,
    find_pattern,
    find_substitutions,
    group_by_pattern,
    rank_references,
)
from rm_engine.spec import START_KINDS, Formula, GenerationSpec, ModelCard, StartKind, parse_formula
from rm_engine.structure import reduce_cell
from rm_engine.units import SYMBOLS

_INFORMED_ATTEMPTS: Final = 3
"""After so many starts that were set aside a sample gets random ones."""
_DRAWS: Final = 20
"""Crystals drawn from a prototype until one has room between its atoms."""
_TIGHTEST: Final = 0.8
"""Where none has, the roomiest will do if it has this fraction of it."""
_SHAKE: Final = 0.05
"""Å, standard deviation by which the sites of known structures are displaced."""

Item = TypeVar("Item")


@dataclass(frozen=True)
class Start:
    """Where a sample starts.

    Attributes:
        atoms: the structure.
        kind: how it was made.
        origin: see :attr:`rm_engine.search.GeneratedStructure.start_origin`.
    """

    atoms: Atoms
    kind: StartKind
    origin: str | None = None


class Starts:
    """Starts of the samples of a run, the same for the same (job seed, sample, attempt) and references.

    Args:
        spec: the run.
        card: the model's card, for volumes.
        references: known structures to substitute into.
    """

    def __init__(self, spec: GenerationSpec, card: ModelCard, references: Sequence[Reference] = ()) -> None:
        self._spec = spec
        self._card = card
        self._references = group_by_pattern(references)
        self._kinds: list[StartKind] = []
        self._candidates = cache(self._rank_candidates)
        self._substitutions = cache(self._find_substitutions)
        self._assignments = cache(self._find_assignments)

    def draw(self, sample: int, attempt: int = 0) -> Start:
        """The start of one sample.

        Args:
            sample: number of the sample.
            attempt: how many starts of this sample were set aside before.

        Raises:
            SearchError: there was no room for the atoms.
        """
        rng = np.random.default_rng((self._spec.seed, sample, attempt))
        formula, turn = self._spec.formula_of(sample), self._spec.turn_of(sample)
        kind, turn = self._kind_of(turn)
        drawers: dict[StartKind, Callable[[Formula, int, np.random.Generator], Start | None]] = {
            "references": self._draw_substitution,
            "wyckoff": self._draw_prototype,
        }
        if attempt < _INFORMED_ATTEMPTS:
            for informed in START_KINDS[START_KINDS.index(kind) : -1]:
                start = drawers[informed](formula, turn, rng)
                if start is not None:
                    return start
        return Start(draw_random(self._spec, self._card, formula, rng), "random")

    def _kind_of(self, turn: int) -> tuple[StartKind, int]:
        """The kind of a formula's start, and how many of this kind come before it."""
        if turn >= len(self._kinds):
            self._kinds = self._spec.start_mix.kinds(2 * (turn + 1))  # twice as many: samples come one after another
        kind = self._kinds[turn]
        return kind, self._kinds[:turn].count(kind)

    def _draw_substitution(self, formula: Formula, turn: int, rng: np.random.Generator) -> Start | None:
        substitutions = self._substitutions(formula)
        if substitutions is None:
            return None
        family, again = substitutions.of(turn)
        member = family[again % len(family)]
        atoms = member.atoms.copy()
        volume = draw_volume(self._spec, self._card, formula, rng)
        if self._spec.volume_per_atom is None and (known := self._regressed_volume(member.before)):
            volume *= atoms.get_volume() / known  # as much denser than the regression as the known structure is
        atoms.set_cell(atoms.cell.array * np.cbrt(volume / atoms.get_volume()), scale_atoms=True)
        atoms.positions += _SHAKE * rng.standard_normal((len(atoms), 3))
        atoms.wrap()
        return self._roomiest([atoms], "references", member.key)

    def _regressed_volume(self, numbers: Sequence[int]) -> float | None:
        """Å³ that the regression gives these atoms; None where it does not know one of them."""
        volumes = [self._card.volumes.get(SYMBOLS[number], 0.0) for number in numbers]
        return sum(volumes) if all(volumes) else None

    def _draw_prototype(self, formula: Formula, turn: int, rng: np.random.Generator) -> Start | None:
        assignments = self._assignments(formula)
        if assignments is None:
            return None
        assignment, _ = assignments.of(turn)
        volume = draw_volume(self._spec, self._card, formula, rng)
        draws = (draw_crystal(load_prototypes(), assignment, volume, rng) for _ in range(_DRAWS))
        return self._roomiest(draws, "wyckoff", assignment.prototype.label)

    def _roomiest(self, candidates: Iterable[Atoms], kind: StartKind, origin: str) -> Start | None:
        """The first candidate (atoms inside the cell) whose atoms have the room they need, or the one that comes
        nearest to it, in a reduced cell.
        """
        best, most = None, _TIGHTEST if self._spec.min_distance is None else 1.0
        for atoms in candidates:
            room = closest_contact(atoms, least_distances(atoms.numbers, self._spec.min_distance))
            if room >= most:
                best, most = atoms, room
            if room >= 1:
                break
        if best is None:
            return None
        best.set_cell(reduce_cell(best.cell.array))
        best.wrap()
        return Start(best, kind, origin)

    def _find_substitutions(self, formula: Formula) -> Turns[list[Substitution]] | None:
        families = find_substitutions(formula, self._candidates(formula.reduced))
        return Turns(families, [1 / rank for rank, _ in enumerate(families, start=1)]) if families else None

    def _rank_candidates(self, reduced: str) -> list[Candidate]:
        formula = parse_formula(reduced)
        known = self._references.get(find_pattern(formula.atomic_numbers()), [])
        return rank_references(formula, known, load_prototypes())

    def _find_assignments(self, formula: Formula) -> Turns[Assignment] | None:
        table = load_prototypes()
        assignments = table.rank(formula)
        if not assignments:
            return None
        weights = [math.exp((assignment.score - assignments[0].score) / 2) for assignment in assignments]
        is_rigid = [table.count_free_parameters(assignment.prototype) == 0 for assignment in assignments]
        return Turns(assignments, weights, is_rigid)


class Turns(Generic[Item]):
    """Items that take turns in proportion to their weights (Sainte-Laguë's divisors), the heaviest first.

    Args:
        items: at least one.
        weights: of the items, positive.
        once: items that gain nothing from a second turn, and get none before all others had many.
    """

    def __init__(self, items: Sequence[Item], weights: Sequence[float], once: Sequence[bool] | None = None) -> None:
        self._items = items
        self._weights = np.array(weights) + 1e-9
        self._once = np.array(once or [False] * len(items))
        self._n_turns = np.zeros(len(items), dtype=int)
        self._order: list[tuple[int, int]] = []

    def of(self, turn: int) -> tuple[Item, int]:
        """Whose turn it is, and how many turns that item had before."""
        while len(self._order) <= turn:
            used_up = self._once & (self._n_turns > 0)
            item = int(np.argmax(self._weights / (2 * self._n_turns + 1) * np.where(used_up, 1e-9, 1.0)))
            self._order.append((item, int(self._n_turns[item])))
            self._n_turns[item] += 1
        item, before = self._order[turn]
        return self._items[item], before
