"""Pseudo energies of known molecules against their atomization energies, of which no model was told (the paper's
figure 1).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

from rm_engine.checkpoint import Model
from rm_engine.errors import InputError
from rm_engine.files import StoredStructure
from rm_engine.neighbors import build_neighbor_list
from rm_engine.potential import estimate_energies
from rm_engine.structure import StructureBatch

ENERGY_KEY: Final = "atomization_energy_pbe0_kcal_mol"
N_COMPOSITIONS: Final = 6
_KCAL_PER_MOL: Final = 0.0433641153
"""In eV."""
_AT_ONCE: Final = 256

Energies = NDArray[np.float64]


@dataclass(frozen=True)
class EnergyComparison:
    """Energies of molecules as they are, without relaxation.

    Attributes:
        formulas: of each molecule.
        n_atoms: (n_molecules,) atoms.
        atomization: (n_molecules,) eV, negative.
        pseudo: (n_molecules,) pseudo units.
    """

    formulas: tuple[str, ...]
    n_atoms: NDArray[np.int64]
    atomization: Energies
    pseudo: Energies

    @cached_property
    def correlation(self) -> float | None:
        """Pearson's R of the energies of whole molecules."""
        return correlate(self.atomization, self.pseudo)

    def of_common_compositions(self, n: int = N_COMPOSITIONS) -> dict[str, tuple[Energies, Energies]]:
        """Atomization and pseudo energies per atom of the ``n`` most common compositions of two molecules or more."""
        formulas = np.array(self.formulas)
        common = [formula for formula, count in Counter(self.formulas).most_common(n) if count > 1]
        rows = {formula: np.flatnonzero(formulas == formula) for formula in common}
        return {
            formula: (self.atomization[row] / self.n_atoms[row], self.pseudo[row] / self.n_atoms[row])
            for formula, row in rows.items()
        }


def correlate(first: Energies, second: Energies) -> float | None:
    """Pearson's R; None where one of them does not vary."""
    if min(np.ptp(first), np.ptp(second)) == 0:
        return None
    return float(np.corrcoef(first, second)[0, 1])


def compare_energies(model: Model, molecules: Sequence[StoredStructure]) -> EnergyComparison:
    """Pseudo energies of molecules that come with their atomization energies.

    Args:
        model: a model that knows their elements.
        molecules: each with ``atomization_energy_pbe0_kcal_mol`` among its values; others are left out.

    Raises:
        InputError: none of them has that value.
    """
    known = [molecule for molecule in molecules if ENERGY_KEY in molecule.info]
    if len(known) < 2:
        hint = "Give a file of molecules such as qm7b.extxyz.gz."
        raise InputError("data_required", "data", len(known), f"molecules with {ENERGY_KEY}", hint)
    energies = np.array([float(molecule.info[ENERGY_KEY]) for molecule in known]) * _KCAL_PER_MOL
    parts = [known[first : first + _AT_ONCE] for first in range(0, len(known), _AT_ONCE)]
    return EnergyComparison(
        formulas=tuple(str(molecule.atoms.get_chemical_formula("hill")) for molecule in known),
        n_atoms=np.array([len(molecule.atoms) for molecule in known]),
        atomization=energies,
        pseudo=np.concatenate([_evaluate(model, part) for part in parts]),
    )


def _evaluate(model: Model, molecules: Sequence[StoredStructure]) -> Energies:
    batch = StructureBatch.from_atoms(
        [molecule.atoms for molecule in molecules], dtype=torch.float32, device=model.device
    )
    neighbors = build_neighbor_list(batch, model.potential.config.cutoff)
    with torch.no_grad():  # the repulsive core, which is left out here, is zero between the atoms of real molecules
        return np.asarray(estimate_energies(model.potential, batch, neighbors).double().cpu().numpy())
