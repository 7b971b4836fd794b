"""Parity with independently computed energies, forces and stresses of three models with random weights."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from ase import Atoms

from rm_engine.neighbors import build_neighbor_list
from rm_engine.potential import CACE, evaluate
from rm_engine.spec import PotentialConfig
from rm_engine.structure import StructureBatch

REFERENCE = json.loads((Path(__file__).parent / "cace_parity.json").read_text())
N_PARAMETERS = {"mp20": 16_312, "qm7b": 16_490, "diamond": 2_137}


def reference_potential(name: str) -> CACE:
    config = REFERENCE[name]["config"]
    potential = CACE(
        PotentialConfig(
            elements=tuple(config["elements"]),
            n_embedding=config["n_embedding"],
            cutoff=config["cutoff"],
            l_max=config["l_max"],
            nu_max=config["nu_max"],
            readout_hidden=tuple(config["readout_hidden"]),
            separate_receiver_embedding=config["separate_receiver_embedding"],
        )
    ).double()
    weights = {
        key: torch.tensor(entry["values"], dtype=torch.float64).reshape(entry["shape"])
        for key, entry in REFERENCE[name]["weights"].items()
    }
    own = {
        "sender": weights["embedding_sender"],
        "radial.frequencies": weights["bessel_frequencies"],
        "readout.linear.weight": weights["linear.weight"],
        "readout.linear.bias": weights["linear.bias"],
    }
    if "embedding_receiver" in weights:
        own["receiver"] = weights["embedding_receiver"]
    else:
        own["receiver"] = own["sender"]
    for degree in range(config["l_max"] + 1):
        own[f"radial_mixing.{degree}"] = weights[f"radial_mixing_l{degree}"]
    for layer in range(3):
        for kind in ("weight", "bias"):
            own[f"readout.mlp.{2 * layer}.{kind}"] = weights[f"mlp.{layer}.{kind}"]
    potential.load_state_dict(own)
    return potential


@pytest.mark.parametrize("name", list(REFERENCE))
def test_number_of_parameters(name):
    assert sum(p.numel() for p in reference_potential(name).parameters()) == N_PARAMETERS[name]


@pytest.mark.parametrize("name", list(REFERENCE))
def test_energy_forces_stress(name):
    entries = REFERENCE[name]["structures"]
    atoms = [Atoms(e["numbers"], e["positions"], cell=e["cell"], pbc=e["pbc"]) for e in entries]
    batch = StructureBatch.from_atoms(atoms, dtype=torch.float64)
    potential = reference_potential(name)
    response = evaluate(potential, batch, build_neighbor_list(batch, potential.config.cutoff))
    np.testing.assert_allclose(response.energies, [e["energy"] for e in entries], rtol=1e-6)
    np.testing.assert_allclose(response.forces, np.concatenate([e["forces"] for e in entries]), atol=1e-6)
    for stress, entry in zip(response.stresses, entries, strict=True):
        if "stress" in entry:
            np.testing.assert_allclose(stress, entry["stress"], atol=1e-6)
