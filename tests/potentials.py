"""Potentials and structures that several tests share."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from ase import Atoms

from rm_engine.neighbors import build_neighbor_list
from rm_engine.potential import CACE, Response, evaluate
from rm_engine.spec import PotentialConfig
from rm_engine.structure import StructureBatch

needs_compiler = pytest.mark.skipif(
    not any(map(shutil.which, ("cc", "gcc", "clang"))), reason="there is no C compiler: the plain path does the work"
)

REFERENCE: dict[str, Any] = json.loads((Path(__file__).parent / "golden" / "cace_parity.json").read_text())
"""Three models with random weights, one per architecture, with independently computed answers."""


def reference_potential(name: str, **changes: Any) -> CACE:
    """A potential of :data:`REFERENCE` in float64; ``changes`` are fields of its configuration."""
    config = REFERENCE[name]["config"]
    fields = {key: value for key, value in config.items() if key in PotentialConfig.__dataclass_fields__}
    fields |= {key: tuple(config[key]) for key in ("elements", "readout_hidden")}
    potential = CACE(PotentialConfig(**{**fields, **changes})).double()
    weights = {
        key: torch.tensor(entry["values"], dtype=torch.float64).reshape(entry["shape"])
        for key, entry in REFERENCE[name]["weights"].items()
    }
    own = {
        "sender": weights["embedding_sender"],
        "receiver": weights.get("embedding_receiver", weights["embedding_sender"]),
        "radial.frequencies": weights["bessel_frequencies"],
        "readout.linear.weight": weights["linear.weight"],
        "readout.linear.bias": weights["linear.bias"],
    }
    for degree in range(config["l_max"] + 1):
        own[f"radial_mixing.{degree}"] = weights[f"radial_mixing_l{degree}"]
    for layer in range(3):
        for kind in ("weight", "bias"):
            own[f"readout.mlp.{2 * layer}.{kind}"] = weights[f"mlp.{layer}.{kind}"]
    potential.load_state_dict(own)
    return potential


def respond_to(potential: CACE, structures: Sequence[Atoms], **options: Any) -> Response:
    """The answer of a potential in float64."""
    batch = StructureBatch.from_atoms(structures, dtype=torch.float64)
    return evaluate(potential, batch, build_neighbor_list(batch, potential.config.cutoff), **options)


def random_structure(
    elements: Sequence[int],
    n_atoms: int,
    seed: int,
    *,
    length: float = 4.5,
    skew: float = 1.0,
    pbc: bool | Sequence[bool] = True,
) -> Atoms:
    """Atoms anywhere in a random skewed cell of about ``length`` Å that is not flat; some lie outside the cell."""
    rng = np.random.default_rng(seed)
    cell = np.eye(3)
    while True:
        cell = length * (np.eye(3) + skew * (rng.random((3, 3)) - 0.5))
        if np.linalg.det(cell) > 0.3 * length**3:
            break
    return Atoms(rng.choice(np.array(elements), n_atoms), (3 * rng.random((n_atoms, 3)) - 1) @ cell, cell=cell, pbc=pbc)
