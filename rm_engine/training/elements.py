"""What a model's card says of each element: its volume and its reference energy."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from ase import Atoms
from scipy.optimize import nnls

from rm_engine.potential import CACE
from rm_engine.relax import RelaxationConfig, relax
from rm_engine.structure import StructureBatch
from rm_engine.units import SYMBOLS


def regress_volumes(structures: Sequence[Atoms]) -> dict[str, float]:
    """Å³ per atom of each element, by non-negative least squares of the volume per atom over the crystals'
    compositions.

    Molecules have no volume; their elements get the volume of a sphere of 1.5 Å, which nothing but their being known
    depends on.
    """
    crystals = [atoms for atoms in structures if atoms.pbc.all()]
    present = sorted({number for atoms in structures for number in atoms.numbers.tolist()})
    volumes = dict.fromkeys(present, 4 / 3 * np.pi * 1.5**3)
    if crystals:
        counts = np.array([np.bincount(atoms.numbers, minlength=len(SYMBOLS)) / len(atoms) for atoms in crystals])
        columns = np.flatnonzero(counts.any(axis=0))
        solution, _ = nnls(counts[:, columns], np.array([atoms.get_volume() / len(atoms) for atoms in crystals]))
        volumes.update(zip(columns.tolist(), solution.tolist(), strict=True))
    return {SYMBOLS[number]: round(float(volumes[number]), 4) for number in present}


def find_reference_energies(potential: CACE, structures: Sequence[Atoms]) -> dict[str, float]:
    """Lowest relaxed pseudo energy per atom among each element's own structures; elements without any are missing."""
    elemental = [atoms for atoms in structures if len(set(atoms.numbers.tolist())) == 1 and atoms.pbc.all()]
    if not elemental:
        return {}
    parameter = next(potential.parameters())
    batch = StructureBatch.from_atoms(elemental, dtype=parameter.dtype, device=parameter.device)
    result = relax(potential, batch, RelaxationConfig(fmax=0.005, max_steps=1000))
    energies: dict[str, float] = {}
    per_atom = (result.energies / batch.sizes).tolist()
    for atoms, energy, converged in zip(elemental, per_atom, result.converged.tolist(), strict=True):
        symbol = SYMBOLS[int(atoms.numbers[0])]
        if converged and energy < energies.get(symbol, np.inf):
            energies[symbol] = energy
    return dict(sorted(energies.items()))
