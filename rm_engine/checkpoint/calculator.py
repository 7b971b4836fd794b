"""The pseudo energy surface as an ASE calculator."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from ase import Atoms
from ase.calculators.calculator import Calculator, all_changes
from ase.stress import full_3x3_to_voigt_6_stress

from rm_engine.errors import InputError
from rm_engine.neighbors import build_neighbor_list
from rm_engine.potential import CACE, evaluate
from rm_engine.structure import StructureBatch
from rm_engine.units import SYMBOLS


class RMCalculator(Calculator):
    """Pseudo energy, forces and (for crystals) stress of one structure at a time."""

    implemented_properties = ["energy", "free_energy", "forces", "stress"]  # noqa: RUF012  # as ASE declares it

    def __init__(self, potential: CACE, device: torch.device) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._potential = potential
        self._device = device

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: list[str] | None = None,
        system_changes: list[str] = all_changes,
    ) -> None:
        """Evaluate the potential.

        Raises:
            InputError: the structure holds an element without an embedding.
        """
        super().calculate(atoms, properties, system_changes)  # type: ignore[no-untyped-call]
        structure: Atoms = self.atoms  # type: ignore[assignment]  # a copy that the base class has just made
        check_elements(self._potential, structure.numbers.tolist())
        dtype = next(self._potential.parameters()).dtype
        batch = StructureBatch.from_atoms([structure], dtype=dtype, device=self._device)
        response = evaluate(self._potential, batch, build_neighbor_list(batch, self._potential.config.cutoff))
        energy = float(response.energies[0])
        self.results = {
            "energy": energy,
            "free_energy": energy,
            "forces": response.forces.double().cpu().numpy(),
        }
        if structure.pbc.all():
            self.results["stress"] = full_3x3_to_voigt_6_stress(response.stresses[0].double().cpu().numpy())


def check_elements(potential: CACE, numbers: Iterable[int]) -> None:
    """Refuse atomic numbers that a potential does not know.

    Raises:
        InputError: a structure holds an element without an embedding.
    """
    unknown = set(numbers) - set(potential.config.elements)
    if unknown:
        names = ", ".join(SYMBOLS[number] for number in sorted(unknown))
        raise InputError("element_not_in_model", "atoms", names, "the model has no such element", "Use another model.")
