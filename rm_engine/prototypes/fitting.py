"""Counting prototypes over known crystals."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import Final

import numpy as np
from ase import Atoms

from rm_engine.prototypes.exchanges import count_exchanges
from rm_engine.prototypes.lattice import find_lattice_system, measure_shape
from rm_engine.prototypes.orbits import Site, find_site
from rm_engine.prototypes.roles import Role, find_roles
from rm_engine.prototypes.symmetry import find_symmetry
from rm_engine.prototypes.table import Prototype, PrototypeTable, Shape

_FEW: Final = 5
"""Fewer known crystals than this have no mean shape, which would be the shape of one of them."""
_UNKNOWN_SPREAD: Final = 0.2
"""Standard deviation of the shapes of a lattice system of so few; their mean is that of a cube."""

Family = list[tuple[tuple[int, ...], list[float]]]
"""Of each member of a prototype the elements, role by role, and the shape of its cell."""


def fit_prototypes(structures: Iterable[Atoms], source: str) -> PrototypeTable:
    """Count over known crystals which Wyckoff positions their elements are on.

    Nothing of a single structure is kept: no coordinates, and cell shapes only as means of five and more.

    Args:
        structures: crystals; those in which no symmetry can be determined are passed over.
        source: what they are, for the record.
    """
    families: defaultdict[tuple[int, tuple[Role, ...]], Family] = defaultdict(list)
    sites: dict[tuple[int, str], Site] = {}
    for atoms in structures:
        try:
            symmetry = find_symmetry(atoms)
        except ValueError:
            continue
        roles, numbers = find_roles(symmetry.orbits)
        group = symmetry.space_group
        families[group, roles].append((numbers, measure_shape(group, symmetry.cell)))
        for orbit in symmetry.orbits:
            if (group, orbit.letter) not in sites:
                sites[group, orbit.letter] = find_site(group, orbit)
    return PrototypeTable(
        prototypes=_by_pattern(families),
        sites=sites,
        shapes=_shapes_of_systems(families),
        exchanges=count_exchanges([[numbers for numbers, _ in family] for family in families.values()]),
        source=source,
    )


def _by_pattern(families: dict[tuple[int, tuple[Role, ...]], Family]) -> dict[tuple[int, ...], list[Prototype]]:
    found: defaultdict[tuple[int, ...], list[Prototype]] = defaultdict(list)
    for (group, roles), family in sorted(families.items()):
        prototype = Prototype(
            space_group=group,
            roles=roles,
            n_known=len(family),
            elements=tuple(
                dict(sorted(Counter(players).items()))
                for players in zip(*(numbers for numbers, _ in family), strict=True)
            ),
            shape=summarize_shapes([shape for _, shape in family]) if len(family) >= _FEW else None,
        )
        found[prototype.pattern].append(prototype)
    return dict(found)


def _shapes_of_systems(families: dict[tuple[int, tuple[Role, ...]], Family]) -> dict[str, Shape]:
    of_system: defaultdict[str, list[list[float]]] = defaultdict(list)
    for (group, _), family in families.items():
        of_system[find_lattice_system(group)].extend(shape for _, shape in family)
    return {
        system: summarize_shapes(shapes) if len(shapes) >= _FEW else _guess_shape(len(shapes[0]))
        for system, shapes in sorted(of_system.items())
    }


def _guess_shape(n_free: int) -> Shape:
    return Shape((0.0,) * n_free, (_UNKNOWN_SPREAD,) * n_free)


def summarize_shapes(shapes: Sequence[Sequence[float]]) -> Shape:
    """Mean and standard deviation of shape parameters."""
    values = np.array(shapes).reshape(len(shapes), -1)
    mean, deviation = (tuple(round(float(x), 4) for x in row) for row in (values.mean(axis=0), values.std(axis=0)))
    return Shape(mean, deviation)
