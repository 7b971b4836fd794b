"""The start of every sample: its kind, and the structure."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import cycle, islice
from typing import Final

import numpy as np
from ase import Atoms

from rm_engine.errors import SearchError
from rm_engine.prototypes import (
    Arrangements,
    Assignment,
    conventional_cell,
    draw_crystal,
    find_crystal_symmetry,
    load_prototypes,
)
from rm_engine.search.random_start import draw_random, draw_volume
from rm_engine.search.separation import asked_distances, closest_contact, least_distances
from rm_engine.search.substitution import (
    Candidate,
    Reference,
    Substitution,
    find_pattern,
    find_substitutions,
    group_by_pattern,
    rank_references,
)
from rm_engine.search.turns import Turns
from rm_engine.spec import START_KINDS, Formula, GenerationSpec, ModelCard, StartKind, parse_formula
from rm_engine.structure import CrystalSymmetry, reduce_cell
from rm_engine.units import ATOMIC_NUMBERS, SYMBOLS

_INFORMED_ATTEMPTS: Final = 3
"""After so many starts that were set aside a sample gets random ones."""
_DRAWS: Final = 20
"""Crystals drawn from a prototype until one has room between its atoms."""
_TIGHTEST: Final = 0.8
"""Where none has, the roomiest will do if it has this fraction of it."""
_ARRANGEMENTS: Final = 30
"""Arrangements that are tried for one start, each in another space group as long as there are others."""
_UNKNOWN: Final = 0.01
"""What a space group in which no crystal is known counts as, in crystals."""
_SHAKE: Final = 0.05
"""Å, standard deviation by which the sites of known structures are displaced."""


@dataclass(frozen=True)
class Start:
    """Where a sample starts.

    Attributes:
        atoms: the structure.
        kind: how it was made.
        origin: see :attr:`rm_engine.search.GeneratedStructure.start_origin`.
        symmetry: what its relaxation keeps; None where it keeps nothing.
    """

    atoms: Atoms
    kind: StartKind
    origin: str | None = None
    symmetry: CrystalSymmetry | None = None


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
        self._space_groups = spec.allowed_space_groups

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
        if self._space_groups is not None:
            return self._draw_arrangement(formula, rng)
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
        if self._spec.volume_of(formula) is None and (known := self._regressed_volume(member.before)):
            volume *= atoms.get_volume() / known  # as much denser than the regression as the known structure is
        stretch = np.cbrt(volume / atoms.get_volume())
        atoms.set_cell(atoms.cell.array * stretch, scale_atoms=True)
        shake = _SHAKE * rng.standard_normal((len(atoms), 3))
        symmetry = None
        if self._space_groups is not None:
            symmetry = find_crystal_symmetry(member.space_group, atoms, member.conventional * stretch)
            if symmetry is None:
                return None
            shake = symmetry.symmetrize(shake)
        atoms.positions += shake
        atoms.wrap()
        roomy = self._roomiest([atoms])
        return None if roomy is None else _start(roomy, "references", member.key, symmetry)

    def _regressed_volume(self, numbers: Sequence[int]) -> float | None:
        """Å³ that the regression gives these atoms; None where it does not know one of them."""
        volumes = [self._card.volumes.get(SYMBOLS[number], 0.0) for number in numbers]
        return sum(volumes) if all(volumes) else None

    def _draw_prototype(self, formula: Formula, turn: int, rng: np.random.Generator) -> Start | None:
        assignments = self._assignments(formula)
        if assignments is None:
            return None
        assignment, _ = assignments.of(turn)
        return self._draw_on_sites(assignment, "wyckoff", draw_volume(self._spec, self._card, formula, rng), rng)

    def _draw_arrangement(self, formula: Formula, rng: np.random.Generator) -> Start:
        """Atoms on any Wyckoff positions of one of the space groups asked for, each as often as crystals have it."""
        counts = {ATOMIC_NUMBERS[symbol]: count for symbol, count in formula.counts}
        for group in islice(cycle(self._order_groups(rng)), _ARRANGEMENTS):
            assignment = self._arrangements.draw(group, counts, rng)
            if assignment is None:
                continue
            volume = draw_volume(self._spec, self._card, formula, rng)
            start = self._draw_on_sites(assignment, "random", volume, rng)
            if start is not None:
                return start
        raise SearchError(
            f"No room for {formula.n_atoms} atoms of {self._spec.composition} on Wyckoff positions of the space groups "
            "asked for. Ask for others, or for other formula units."
        )

    @cached_property
    def _arrangements(self) -> Arrangements:
        return Arrangements(load_prototypes())

    def _order_groups(self, rng: np.random.Generator) -> list[int]:
        """The space groups asked for at random, each the earlier the more known crystals have it."""
        groups = sorted(self._space_groups or ())
        weights = np.array([load_prototypes().n_known_by_group.get(group, 0) for group in groups]) + _UNKNOWN
        return [groups[row] for row in np.argsort(rng.exponential(size=len(groups)) / weights)]

    def _draw_on_sites(
        self, assignment: Assignment, kind: StartKind, volume: float, rng: np.random.Generator
    ) -> Start | None:
        """A crystal of this prototype whose atoms have room."""
        draws = (draw_crystal(load_prototypes(), assignment, volume, rng) for _ in range(_DRAWS))
        atoms = self._roomiest(draws)
        if atoms is None:
            return None
        symmetry = None
        if self._space_groups is not None:
            group = assignment.prototype.space_group
            symmetry = find_crystal_symmetry(group, atoms, conventional_cell(group, atoms.cell.array))
            if symmetry is None:
                return None
        return _start(atoms, kind, assignment.prototype.label, symmetry)

    def _roomiest(self, candidates: Iterable[Atoms]) -> Atoms | None:
        """The first candidate (atoms inside the cell) whose atoms have the room they need, or the one that comes
        nearest to it.
        """
        is_asked = self._spec.min_distance is not None or bool(self._spec.separations)
        best, most = None, 1.0 if is_asked else _TIGHTEST
        for atoms in candidates:
            room = closest_contact(atoms, least_distances(atoms.numbers, asked_distances(atoms.numbers, self._spec)))
            if room >= most:
                best, most = atoms, room
            if room >= 1:
                break
        return best

    def _find_substitutions(self, formula: Formula) -> Turns[list[Substitution]] | None:
        families = find_substitutions(formula, self._candidates(formula.reduced), self._space_groups)
        return Turns(families, [1 / rank for rank, _ in enumerate(families, start=1)]) if families else None

    def _rank_candidates(self, reduced: str) -> list[Candidate]:
        formula = parse_formula(reduced)
        known = self._references.get(find_pattern(formula.atomic_numbers()), [])
        return rank_references(formula, known, load_prototypes())

    def _find_assignments(self, formula: Formula) -> Turns[Assignment] | None:
        table = load_prototypes()
        assignments = [one for one in table.rank(formula) if self._allows(one.prototype.space_group)]
        if not assignments:
            return None
        weights = [math.exp((assignment.score - assignments[0].score) / 2) for assignment in assignments]
        is_rigid = [table.count_free_parameters(assignment.prototype) == 0 for assignment in assignments]
        return Turns(assignments, weights, is_rigid)

    def _allows(self, space_group: int) -> bool:
        return self._space_groups is None or space_group in self._space_groups


def _start(atoms: Atoms, kind: StartKind, origin: str, symmetry: CrystalSymmetry | None) -> Start:
    """A start in a reduced cell."""
    atoms.set_cell(reduce_cell(atoms.cell.array))
    atoms.wrap()
    return Start(atoms, kind, origin, symmetry)
