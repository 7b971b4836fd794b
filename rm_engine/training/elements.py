"""What a model's card says of each element: its volume and its reference energy."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from ase import Atoms
from ase.build import bulk
from scipy.optimize import nnls

from rm_engine.checkpoint import Model
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


def find_end_members(model: Model, structures: Sequence[Atoms]) -> dict[str, float]:
    """The end members of hulls: of every element the lowest energy per atom among its own known structures, relaxed,
    of the kind that ranks the model's structures.

    An element of crystals that has no structure of its own is tried in simple prototypes instead, because without its
    end member no compound of it has a hull.

    Args:
        model: the trained model.
        structures: the training set.
    """
    crystals = [atoms for atoms in structures if atoms.pbc.all()]
    elemental = [atoms for atoms in crystals if len(set(atoms.numbers.tolist())) == 1]
    energies = _lowest_relaxed(model, elemental)
    present = {SYMBOLS[number] for atoms in crystals for number in set(atoms.numbers.tolist())}
    prototypes = [
        atoms
        for symbol in sorted(present - set(energies))
        for atoms in build_prototypes(symbol, model.card.volumes[symbol])
    ]
    return dict(sorted({**energies, **_lowest_relaxed(model, prototypes)}.items()))


def build_prototypes(symbol: str, volume: float) -> list[Atoms]:
    """An element in the simple lattices, with ``volume`` Å³ per atom."""
    found = []
    for lattice in ("fcc", "bcc", "hcp", "sc", "diamond"):
        crystal = bulk(symbol, lattice, a=3.0)
        scale = (volume * len(crystal) / crystal.get_volume()) ** (1 / 3)
        crystal.set_cell(crystal.cell.array * scale, scale_atoms=True)
        found.append(crystal)
    return found


def _lowest_relaxed(model: Model, elemental: Sequence[Atoms]) -> dict[str, float]:
    """Lowest converged energy per atom of each element among crystals of one element."""
    if not elemental:
        return {}
    batch = StructureBatch.from_atoms(elemental, device=model.device)
    result = relax(model.potential, batch, RelaxationConfig(fmax=0.005, max_steps=1000))
    estimates = model.estimate_formation_energies(result.structures)
    per_atom = result.energies / batch.sizes if estimates is None else estimates
    energies: dict[str, float] = {}
    for atoms, energy, converged in zip(elemental, per_atom.tolist(), result.converged.tolist(), strict=True):
        symbol = SYMBOLS[int(atoms.numbers[0])]
        if converged and energy < energies.get(symbol, np.inf):
            energies[symbol] = energy
    return energies
