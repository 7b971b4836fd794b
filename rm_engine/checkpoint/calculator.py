"""The pseudo energy surface as an ASE calculator."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import torch
from ase import Atoms
from ase.calculators.calculator import Calculator, all_changes
from ase.stress import full_3x3_to_voigt_6_stress

from rm_engine.errors import InputError
from rm_engine.neighbors import build_neighbor_list
from rm_engine.potential import CACE, evaluate
from rm_engine.structure import StructureBatch
from rm_engine.units import SYMBOLS


class RMCalculator(Calculator):  # type: ignore[misc]  # ASE has no types
    """Pseudo energy, forces and (for crystals) stress of one structure at a time."""

    implemented_properties: ClassVar[list[str]] = ["energy", "free_energy", "forces", "stress"]

    def __init__(self, potential: CACE, device: torch.device) -> None:
        super().__init__()
        self._potential = potential
        self._device = device

    def calculate(self, atoms: Atoms = None, properties: Any = None, system_changes: list[str] = all_changes) -> None:
        """Evaluate the potential.

        Raises:
            InputError: the structure holds an element without an embedding.
        """
        super().calculate(atoms, properties, system_changes)
        unknown = set(self.atoms.numbers.tolist()) - set(self._potential.config.elements)
        if unknown:
            names = ", ".join(SYMBOLS[number] for number in sorted(unknown))
            raise InputError(
                "element_not_in_model", "atoms", names, "the model has no such element", "Use another model."
            )
        dtype = next(self._potential.parameters()).dtype
        batch = StructureBatch.from_atoms([self.atoms], dtype=dtype, device=self._device)
        response = evaluate(self._potential, batch, build_neighbor_list(batch, self._potential.config.cutoff))
        energy = float(response.energies[0])
        self.results = {
            "energy": energy,
            "free_energy": energy,
            "forces": response.forces.double().cpu().numpy(),
        }
        if self.atoms.pbc.all():
            self.results["stress"] = full_3x3_to_voigt_6_stress(np.array(response.stresses[0].double().cpu()))
