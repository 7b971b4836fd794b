"""Which formulas a chemical system is likely to have, by counts over known crystals.

The counts are those of the table of prototypes, of which only compositions are read here: naive Bayes, the number of
known crystals of a stoichiometry pattern, times for each of its places the probability of the element there. Elements
that are rarely seen in a place count as others of their family. As the places know nothing of each other, formulas
whose charges balance are favoured besides. Of the formulas that crystals of the MP-20 validation split add to those of
the training split, the ten likeliest of two elements contain 88 %, the 24 likeliest of three 85 % and of four 81 %; by
the frequency of the patterns alone they contain 78, 66 and 41 %.
"""

from __future__ import annotations

import gzip
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from functools import cache, lru_cache, reduce
from itertools import permutations
from math import gcd
from typing import Any, Final

from rm_engine.spec.card import SHIPPED_MODELS
from rm_engine.spec.charges import is_balanced
from rm_engine.spec.formula import Formula
from rm_engine.spec.limits import DEFAULT_MAX_ATOMS
from rm_engine.spec.system import MAX_FORMULAS, ChemicalSystem
from rm_engine.units import ATOMIC_NUMBERS

_ELEMENT_COUNTS: Final = 30.0
"""Known crystals from which on an element's own count in a place tells more than that of its family."""
_FAMILY_COUNTS: Final = 3.0
"""The same of a family's count and how often it is seen at all."""
_BALANCED: Final = 6.0
"""How much likelier a formula is whose charges balance: 3 describes the validation split's binaries best, 10 the
others."""
_UNSEEN: Final = 0.01
"""Crystals that even an element counts for which is in none."""
_NOBLE_GASES: Final = (2, 10, 18, 36, 54, 86, 118)

Pattern = tuple[int, ...]
"""Reduced counts, ascending."""
Place = tuple[Pattern, int]
"""The elements of a pattern that have a count."""
Family = tuple[int, int]


class Stoichiometries:
    """Counts of compositions.

    Args:
        prototypes: of each the atoms of its elements, ascending, how many crystals are known, and for each of its
            elements how often which one (by atomic number) is there.
    """

    def __init__(self, prototypes: Iterable[tuple[Sequence[int], int, Sequence[Iterable[tuple[int, int]]]]]) -> None:
        self._patterns: Counter[Pattern] = Counter()
        self._places: defaultdict[Place, Counter[int]] = defaultdict(Counter)
        self._elements: Counter[int] = Counter()
        for counts, n_known, elements in prototypes:
            divisor = reduce(gcd, counts)
            pattern = tuple(count // divisor for count in counts)
            self._patterns[pattern] += n_known
            for count, seen in zip(pattern, elements, strict=True):
                self._places[pattern, count].update(dict(seen))
                self._elements.update(dict(seen))
        self._families = _sum_families(self._elements)
        self._probability = cache(self._find_probability)

    def rank(self, system: ChemicalSystem) -> list[tuple[Formula, float]]:
        """The likeliest formulas of a system, at most 60 and of at most 20 atoms, with their weights, which add up to
        one.
        """
        weights: dict[Formula, float] = {}
        for pattern, n_known in self._patterns.items():
            if len(pattern) == len(system.elements) and sum(pattern) <= DEFAULT_MAX_ATOMS:
                for counts in set(permutations(pattern)):
                    formula = Formula(tuple(zip(system.elements, counts, strict=True)))
                    weights[formula] = n_known * self._weigh(formula, pattern)
        likeliest = sorted(weights, key=lambda formula: (-weights[formula], formula.counts))[:MAX_FORMULAS]
        total = sum(weights[formula] for formula in likeliest)
        return [(formula, weights[formula] / total) for formula in likeliest]

    def _weigh(self, formula: Formula, pattern: Pattern) -> float:
        weight = _BALANCED if is_balanced(formula) else 1.0
        for symbol, count in formula.counts:  # products only: the same on every machine
            weight *= self._probability((pattern, count), ATOMIC_NUMBERS[symbol])
        return weight

    def _find_probability(self, place: Place, number: int) -> float:
        """Of an element in a place: its own count, backed by that of its family, backed by how common both are."""
        seen, family = self._places[place], _family_of(number)
        n_seen = seen.total()
        share = self._families[family] / self._families.total()
        n_family = sum(count for other, count in seen.items() if _family_of(other) == family)
        of_family = (n_family + _FAMILY_COUNTS * share) / (n_seen + _FAMILY_COUNTS)
        in_family = (self._elements[number] + _UNSEEN) / (self._families[family] + _UNSEEN)
        return (seen[number] + _ELEMENT_COUNTS * of_family * in_family) / (n_seen + _ELEMENT_COUNTS)


@lru_cache(maxsize=256)
def rank_formulas(system: ChemicalSystem) -> list[tuple[Formula, float]]:
    """See :meth:`Stoichiometries.rank`; by the counts over the train split of MP-20 that come with the package.

    Formulas that were named are worth the same each.
    """
    if system.formulas:
        return [(formula, 1 / len(system.formulas)) for formula in system.formulas]
    return _load_counts().rank(system)


@lru_cache(maxsize=1)
def _load_counts() -> Stoichiometries:
    data: dict[str, Any] = json.loads(gzip.decompress((SHIPPED_MODELS / "prototypes.json.gz").read_bytes()))
    return Stoichiometries(
        ([n_atoms for n_atoms, _ in roles], n_known, elements) for _, roles, n_known, elements, _ in data["prototypes"]
    )


def _sum_families(elements: Counter[int]) -> Counter[Family]:
    families: Counter[Family] = Counter()
    for number, count in elements.items():
        families[_family_of(number)] += count
    return families


@cache
def _family_of(number: int) -> Family:
    """Group and row of an element, where those of a group from the third row on are one family, and so are lanthanides
    and actinides, of group 0.
    """
    row = next(row for row, last in enumerate(_NOBLE_GASES) if number <= last)
    place = number - (_NOBLE_GASES[row - 1] if row else 0)
    to_last = _NOBLE_GASES[row] - number
    if place <= 2:
        return place, min(row, 2)
    return (0, row) if to_last >= 15 and row >= 5 else (18 - to_last, min(row, 2))
