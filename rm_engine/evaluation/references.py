"""Known structures that searches may start from, without those that would give the answer away."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from ase import Atoms

from rm_engine.analysis import Matcher
from rm_engine.analysis.comparison import find_kind
from rm_engine.evaluation.targets import Target
from rm_engine.spec import parse_formula

Reference = tuple[str, Atoms]


class References:
    """Known crystals by their stoichiometry pattern, the only ones whose structure a target's elements can take.

    Args:
        items: (name, structure) of each; what is no crystal is left out.
    """

    def __init__(self, items: Iterable[Reference]) -> None:
        self._by_pattern: defaultdict[str, list[Reference]] = defaultdict(list)
        for name, atoms in items:
            if atoms.pbc.all():
                self._by_pattern[_pattern_of(atoms)].append((name, atoms))

    def choose(self, target: Target) -> tuple[Sequence[Reference], int]:
        """The references of the target's pattern, and how many more were left out because they are the target.

        That is, they have its name, or they match it at the tolerances by which the search is judged.
        """
        candidates = self._by_pattern.get(_pattern_of(target.atoms), [])
        kind, matcher = find_kind(target.atoms), Matcher([(target.name, target.atoms)])
        chosen = [
            (name, atoms)
            for name, atoms in candidates
            if name != target.name and not (find_kind(atoms) == kind and matcher.find_matches(atoms))
        ]
        return chosen, len(candidates) - len(chosen)


def _pattern_of(atoms: Atoms) -> str:
    return parse_formula(atoms.get_chemical_formula("metal")).anonymous
