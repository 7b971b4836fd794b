"""Prototypes: the ways in which crystals of a stoichiometry pattern occupy Wyckoff positions, counted over known
crystals.
"""

from __future__ import annotations

import gzip
import json
import zlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from itertools import chain
from pathlib import Path
from typing import Any, Final, NamedTuple, Self

import numpy as np

from rm_engine.errors import CheckpointError
from rm_engine.prototypes.exchanges import find_exchange_probabilities
from rm_engine.prototypes.lattice import free_parameters
from rm_engine.prototypes.layout import Layout
from rm_engine.prototypes.orbits import GENERAL, GENERAL_SITE, Floats, Site
from rm_engine.prototypes.roles import Role, assign_elements, label_prototype
from rm_engine.spec import Formula
from rm_engine.units import ATOMIC_NUMBERS, SYMBOLS

FORMAT_VERSION: Final = 1
SHIPPED_TABLE: Final = Path(__file__).resolve().parent.parent / "models" / "prototypes.json.gz"


class Shape(NamedTuple):
    """Mean and standard deviation of the free shape parameters of conventional cells."""

    mean: tuple[float, ...]
    deviation: tuple[float, ...]


@dataclass(frozen=True)
class Prototype:
    """A way to occupy Wyckoff positions.

    Attributes:
        space_group: number in the International Tables.
        roles: smallest first.
        n_known: known crystals of this prototype; none of one that was made up.
        elements: for each role, how often each element (by atomic number) plays it.
        shape: shapes of their cells; None where too few are known to speak of a mean.
    """

    space_group: int
    roles: tuple[Role, ...]
    n_known: int
    elements: tuple[Mapping[int, int], ...]
    shape: Shape | None = None

    @property
    def pattern(self) -> tuple[int, ...]:
        """Atoms of each role in the primitive cell, ascending."""
        return tuple(role.n_atoms for role in self.roles)

    @property
    def label(self) -> str:
        """Space group and letters, e.g. ``221 a b c``."""
        return label_prototype(self.space_group, self.roles)


class Assignment(NamedTuple):
    """A prototype with an element for each role, and the logarithm of how likely that is, up to a constant."""

    prototype: Prototype
    numbers: tuple[int, ...]
    score: float


@dataclass(frozen=True)
class PrototypeTable:
    """Counts over known crystals.

    Attributes:
        prototypes: by pattern.
        sites: the Wyckoff positions, by space group and letter.
        shapes: shapes of cells by lattice system, for prototypes that have none of their own.
        exchanges: (119, 119) how often two elements take one another's place.
        source: what was counted.
    """

    prototypes: Mapping[tuple[int, ...], Sequence[Prototype]]
    sites: Mapping[tuple[int, str], Site]
    shapes: Mapping[str, Shape]
    exchanges: Floats
    source: str = ""
    _layouts: dict[tuple[int, tuple[Role, ...]], Layout] = field(default_factory=dict, init=False, repr=False)

    @cached_property
    def exchange_probabilities(self) -> Floats:
        """See :func:`find_exchange_probabilities`."""
        return find_exchange_probabilities(self.exchanges)

    @property
    def n_known(self) -> int:
        """Crystals that were counted."""
        return sum(self.n_known_by_group.values())

    @cached_property
    def n_known_by_group(self) -> Mapping[int, int]:
        """Crystals that were counted, by space group."""
        counts: Counter[int] = Counter()
        for prototype in chain.from_iterable(self.prototypes.values()):
            counts[prototype.space_group] += prototype.n_known
        return counts

    def count_free_parameters(self, prototype: Prototype) -> int:
        """Numbers that the symmetry leaves open in cell shape and positions."""
        n_free = sum(site.n_free for own in self._sites_of(prototype) for site in own)
        return len(free_parameters(prototype.space_group)) + n_free

    def layout_of(self, prototype: Prototype) -> Layout:
        """Where its atoms are."""
        key = prototype.space_group, prototype.roles
        if key in self._layouts:
            return self._layouts[key]
        layout = Layout.of(prototype.space_group, self._sites_of(prototype))
        if prototype.n_known:  # there is no end of those that are made up
            self._layouts[key] = layout
        return layout

    def _sites_of(self, prototype: Prototype) -> list[list[Site]]:
        """The sites of each role."""
        return [[self._site(prototype.space_group, letter) for letter in role.letters] for role in prototype.roles]

    def _site(self, space_group: int, letter: str) -> Site:
        return GENERAL_SITE if letter == GENERAL else self.sites[space_group, letter]

    def rank(self, formula: Formula) -> list[Assignment]:
        """Prototypes for the contents of a primitive cell, the most likely first, each with its best assignment.

        The likelihood is naive Bayes: the number of known crystals of the prototype, times for each role the
        probability that an element seen there is replaced by the one given.
        """
        counts = {ATOMIC_NUMBERS[symbol]: count for symbol, count in formula.counts}
        assignments = list(assign_elements(counts))
        prototypes = self.prototypes.get(tuple(sorted(counts.values())), ())
        best = (self._assign(prototype, assignments) for prototype in prototypes)
        return sorted(best, key=lambda assignment: -assignment.score)

    def _assign(self, prototype: Prototype, assignments: Sequence[tuple[int, ...]]) -> Assignment:
        logs = [self._log_likelihoods(role) for role in prototype.elements]
        choices = (
            (sum(log[number] for log, number in zip(logs, numbers, strict=True)), numbers) for numbers in assignments
        )
        score, numbers = max(choices)
        return Assignment(prototype, numbers, float(np.log(prototype.n_known) + score))

    def _log_likelihoods(self, seen: Mapping[int, int]) -> Floats:
        """(119,) logarithm of the probability of each element where ``seen`` elements are known."""
        weights = np.array(list(seen.values()), dtype=float)
        mixed = weights / weights.sum() @ self.exchange_probabilities[list(seen)]
        return np.asarray(np.log(mixed + 1e-12))

    def to_bytes(self) -> bytes:
        """Compressed JSON; :meth:`from_bytes` is the inverse. The same table gives the same bytes."""
        rows, columns = np.nonzero(np.triu(self.exchanges))
        data = {
            "format_version": FORMAT_VERSION,
            "source": self.source,
            "exchanges": [
                [int(i), int(j), round(float(self.exchanges[i, j]), 3)] for i, j in zip(rows, columns, strict=True)
            ],
            "shapes": self.shapes,
            "sites": [
                [group, letter, [round(x, 6) for x in (*site.rotation.flatten().tolist(), *site.shift.tolist())]]
                for (group, letter), site in sorted(self.sites.items())
            ],
            "prototypes": [
                [p.space_group, p.roles, p.n_known, [list(map(list, e.items())) for e in p.elements], p.shape]
                for pattern in sorted(self.prototypes)
                for p in self.prototypes[pattern]
            ],
        }
        return gzip.compress(json.dumps(data, separators=(",", ":")).encode(), mtime=0)

    @classmethod
    def from_bytes(cls, content: bytes) -> Self:
        """The table that :meth:`to_bytes` wrote.

        Raises:
            CheckpointError: not a table, or one of another format version.
        """
        try:
            data = json.loads(gzip.decompress(content))
            if data["format_version"] != FORMAT_VERSION:
                raise ValueError(f"format version {data['format_version']}")  # noqa: TRY301  # handled as the others
            return cls._from_json(data)
        except (OSError, EOFError, zlib.error, LookupError, TypeError, ValueError) as error:
            raise CheckpointError(f"This is no table of prototypes ({error}). Fit it again.") from error

    @classmethod
    def _from_json(cls, data: Mapping[str, Any]) -> Self:
        exchanges = np.zeros((len(SYMBOLS), len(SYMBOLS)))
        for i, j, count in data["exchanges"]:
            exchanges[i, j] = exchanges[j, i] = count
        prototypes: dict[tuple[int, ...], list[Prototype]] = {}
        for group, roles, n_known, elements, shape in data["prototypes"]:
            prototype = Prototype(
                group,
                tuple(Role(*role) for role in roles),
                n_known,
                tuple(dict(map(tuple, seen)) for seen in elements),
                shape and _read_shape(shape),
            )
            prototypes.setdefault(prototype.pattern, []).append(prototype)
        sites = {
            (group, letter): Site(np.array(numbers[:9]).reshape(3, 3), np.array(numbers[9:]))
            for group, letter, numbers in data["sites"]
        }
        shapes = {system: _read_shape(shape) for system, shape in data["shapes"].items()}
        return cls(prototypes, sites, shapes, exchanges, data["source"])


def _read_shape(data: Sequence[Sequence[float]]) -> Shape:
    return Shape(tuple(data[0]), tuple(data[1]))


@lru_cache(maxsize=1)
def load_prototypes() -> PrototypeTable:
    """The table that is shipped, counted over the train split of MP-20.

    Raises:
        CheckpointError: it is damaged.
    """
    return PrototypeTable.from_bytes(SHIPPED_TABLE.read_bytes())
