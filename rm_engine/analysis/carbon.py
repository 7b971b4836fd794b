"""Telling the forms of carbon apart by how every atom is bonded, whatever the cell and the volume.

In diamond and its polytypes every atom has four bonds and all rings have six. Seen along a bond, the bonds at its two
ends are staggered or eclipsed. Layers of diamond that follow one another as in the cubic form are joined by staggered
bonds, as in the hexagonal form by eclipsed ones, which are all parallel; all other bonds are staggered. So an atom of
the cubic form has no eclipsed bond, one of the hexagonal form has one, and this is the same distinction as that between
twelve second neighbours arranged as in fcc or as in hcp (Maras et al., DOI 10.1016/j.cpc.2016.04.001), without a second
cutoff.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final, NamedTuple

import numpy as np
from ase import Atoms
from ase.neighborlist import neighbor_list
from numpy.typing import NDArray

Values = NDArray[np.float64]

_BOND: Final = 1.25
"""Bonds are this much longer at most than the three shortest at their ends are on average. Second neighbours in diamond
are at 1.63, the next layer of graphite at the density of diamond is at 1.37.
"""
_REACH: Final = 2.5
"""Neighbours are looked for within this multiple of the cube root of the volume per atom."""
_CLEAR: Final = 0.5
"""A bond is staggered where the mean of cos 3φ over its torsions φ lies below minus this, eclipsed above this."""
_FLAT: Final = 0.15
"""Most that an atom of a flat layer stands out of the plane of its neighbours, in bond lengths; 0.33 in diamond."""
_PARALLEL: Final = 0.9
"""Least cosine between the normals of flat layers, and between eclipsed bonds: layers are stacked in one direction."""
_LARGEST_COSINE: Final = -0.17
"""Of the angles of a flat layer, which are 100° at least."""
_OTHERS: Final = np.array([[bond for bond in range(4) if bond != own] for own in range(4)])
"""For each of four bonds the three others."""


class CarbonForm(StrEnum):
    """Forms of carbon, and of every element that crystallises like it."""

    CUBIC_DIAMOND = "cubic diamond"
    HEXAGONAL_DIAMOND = "hexagonal diamond"
    STACKING_FAULT = "stacking fault"
    GRAPHITE = "graphite"
    OTHER = "other"


class _Bonds(NamedTuple):
    """The bonds of atoms that all have as many.

    Attributes:
        neighbors: (n_atoms, n_bonds) the atom at the other end.
        vectors: (n_atoms, n_bonds, 3) to it, Å.
    """

    neighbors: NDArray[np.int64]
    vectors: Values


def find_carbon_form(atoms: Atoms) -> CarbonForm:
    """The form of a crystal of one element.

    ``STACKING_FAULT`` stands for every network in which all atoms are bonded as in diamond, some as in the cubic and
    some as in the hexagonal form; ``GRAPHITE`` for flat layers of three-coordinated atoms in any stacking. Anything
    that is no crystal, or holds several elements, is ``OTHER``.
    """
    bonds = _find_bonds(atoms) if atoms.pbc.all() and len(set(atoms.numbers.tolist())) == 1 else None
    if bonds is None:
        return CarbonForm.OTHER
    if bonds.neighbors.shape[1] == 3:
        return CarbonForm.GRAPHITE if _is_layered(bonds) else CarbonForm.OTHER
    return _find_polytype(bonds)


def _find_bonds(atoms: Atoms) -> _Bonds | None:
    """The bonds where all atoms have three or all have four, else None."""
    reach = _REACH * (atoms.get_volume() / len(atoms)) ** (1 / 3)
    centers, neighbors, vectors = neighbor_list("ijD", atoms, reach)
    lengths = np.linalg.norm(vectors, axis=1)
    order = np.lexsort((lengths, centers))
    centers, neighbors, vectors, lengths = centers[order], neighbors[order], vectors[order], lengths[order]
    starts = np.searchsorted(centers, np.arange(len(atoms) + 1))
    if (np.diff(starts) < 3).any():
        return None
    shortest = lengths[starts[:-1, None] + np.arange(3)].mean(axis=1)
    is_bond = lengths < _BOND * (shortest[centers] + shortest[neighbors]) / 2
    n_bonds = np.bincount(centers[is_bond], minlength=len(atoms))
    if n_bonds[0] not in {3, 4} or (n_bonds != n_bonds[0]).any():
        return None
    shape = (len(atoms), int(n_bonds[0]))
    return _Bonds(neighbors[is_bond].reshape(shape), vectors[is_bond].reshape(*shape, 3))


def _find_polytype(bonds: _Bonds) -> CarbonForm:
    """Which diamond a four-coordinated network is, if any."""
    outwards = bonds.vectors[bonds.neighbors]  # of the atoms at the other ends, (n_atoms, 4, 4, 3)
    back = np.linalg.norm(outwards + bonds.vectors[:, :, None], axis=3).argmin(axis=2)
    there = np.take_along_axis(outwards, _OTHERS[back][..., None], axis=2)  # (n_atoms, 4, 3, 3)
    torsions = _find_torsions(bonds.vectors, there)
    eclipsed = torsions > _CLEAR
    is_diamond = (
        np.abs(torsions).min() > _CLEAR
        and eclipsed.sum(axis=1).max() <= 1
        and _are_parallel(bonds.vectors[eclipsed])
        and _has_no_small_rings(bonds.vectors, there)
    )
    if not is_diamond:
        return CarbonForm.OTHER
    pure = {0.0: CarbonForm.CUBIC_DIAMOND, 1.0: CarbonForm.HEXAGONAL_DIAMOND}
    return pure.get(float(eclipsed.any(axis=1).mean()), CarbonForm.STACKING_FAULT)


def _has_no_small_rings(vectors: Values, there: Values) -> bool:
    """Whether second neighbours are neither one atom, as in rings of four, nor bonded, as in rings of five.

    Args:
        vectors: (n_atoms, 4, 3) the bonds.
        there: (n_atoms, 4, 3, 3) the further bonds at their other ends.
    """
    second = (vectors[:, :, None] + there).reshape(len(vectors), 12, 3)
    distances = np.linalg.norm(second[:, :, None] - second[:, None], axis=3) + 9 * np.eye(12)
    return bool(distances.min() > _BOND * np.linalg.norm(vectors, axis=2).mean())


def _find_torsions(vectors: Values, there: Values) -> Values:
    """(n_atoms, 4) mean of cos 3φ over the angles φ between the bonds at the two ends of every bond, seen along it.

    It is -1 where they are staggered, 1 where they are eclipsed. Arguments as in :func:`_has_no_small_rings`.
    """
    axes = vectors / np.linalg.norm(vectors, axis=2, keepdims=True)
    first, second = (_see_along(axes, ends) for ends in (vectors[:, _OTHERS], there))
    cosines = first @ second.swapaxes(2, 3)
    return np.asarray((4 * cosines**3 - 3 * cosines).mean(axis=(2, 3)))


def _see_along(axes: Values, vectors: Values) -> Values:
    """Directions of vectors (..., 3, 3) in the plane across axes (..., 3) of length 1."""
    across = vectors - (vectors @ axes[..., None]) * axes[..., None, :]
    return np.asarray(across / np.linalg.norm(across, axis=-1, keepdims=True).clip(1e-9))


def _are_parallel(vectors: Values) -> bool:
    """Whether vectors (n, 3) lie along one line, whichever way they point; none at all do."""
    directions = vectors / np.linalg.norm(vectors, axis=1, keepdims=True).clip(1e-9)
    return bool(np.abs(directions @ directions[:1].T).min(initial=1.0) > _PARALLEL)


def _is_layered(bonds: _Bonds) -> bool:
    """Whether three-coordinated atoms form flat parallel layers with angles of about 120°."""
    a, b, c = bonds.vectors.swapaxes(0, 1)
    normals = np.cross(b - a, c - a)
    normals /= np.linalg.norm(normals, axis=1, keepdims=True).clip(1e-9)
    lengths = np.linalg.norm(bonds.vectors, axis=2)
    heights = np.abs((normals * a).sum(axis=1)) / lengths.mean(axis=1)
    directions = bonds.vectors / lengths[..., None]
    cosines = (directions * np.roll(directions, 1, axis=1)).sum(axis=2)
    return bool(_are_parallel(normals) and heights.max() < _FLAT and cosines.max() < _LARGEST_COSINE)
