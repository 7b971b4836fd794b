"""Parity with independently computed energies, forces and stresses of three models with random weights."""

import numpy as np
import pytest
from ase import Atoms
from potentials import REFERENCE, reference_potential, respond_to

N_PARAMETERS = {"mp20": 16_312, "qm7b": 16_490, "diamond": 2_137}


@pytest.mark.parametrize("name", list(REFERENCE))
def test_number_of_parameters(name):
    assert sum(p.numel() for p in reference_potential(name).parameters()) == N_PARAMETERS[name]


@pytest.mark.parametrize("name", list(REFERENCE))
def test_energy_forces_stress(name):
    entries = REFERENCE[name]["structures"]
    atoms = [Atoms(e["numbers"], e["positions"], cell=e["cell"], pbc=e["pbc"]) for e in entries]
    response = respond_to(reference_potential(name), atoms)
    np.testing.assert_allclose(response.energies, [e["energy"] for e in entries], rtol=1e-6)
    np.testing.assert_allclose(response.forces, np.concatenate([e["forces"] for e in entries]), atol=1e-6)
    for stress, entry in zip(response.stresses, entries, strict=True):
        if "stress" in entry:
            np.testing.assert_allclose(stress, entry["stress"], atol=1e-6)
