"""What is known to have gone wrong in the method's published code, where no other test looks at it."""

from __future__ import annotations

from pathlib import Path

import ase.io
import numpy as np
import pytest
import torch
from ase.build import bulk

from rm_engine.analysis import Matcher
from rm_engine.checkpoint import load_model
from rm_engine.errors import InputError
from rm_engine.neighbors import build_neighbor_list
from rm_engine.response import repulsive_forces
from rm_engine.search import Starts, generate_samples
from rm_engine.spec import GenerationSpec, NoiseSpec, StartMix
from rm_engine.structure import StructureBatch


@pytest.mark.parametrize("symbol", ["Ar", "Po", "At", "Rn", "Fr", "Ra"])
def test_elements_without_training_data_are_refused(symbol: str) -> None:
    """Their regressed volume would be zero."""
    model = load_model("mp20")
    with pytest.raises(InputError) as caught:
        generate_samples(model, GenerationSpec(composition=f"{symbol}O2", model="mp20"), [0])
    assert caught.value.code == "element_not_in_model"


def test_cells_of_random_starts_are_sheared() -> None:
    """Distorted on the diagonal only, every cell would have right angles."""
    spec = GenerationSpec(composition="MgO", formula_units=(2,), model="mp20", starts=StartMix(random=1))
    starts = Starts(spec, load_model("mp20").card)
    angles = np.array([starts.draw(sample).atoms.cell.angles() for sample in range(30)])
    assert (np.abs(angles - 90) > 1).any(axis=1).all()
    assert (angles > 40).all()
    assert (angles < 140).all()


def test_repulsion_counts_every_neighbor() -> None:
    """An atom between three others, two of them on one side: what the last neighbour adds replaces nothing."""
    noise = NoiseSpec()
    atoms = bulk("H", "sc", a=9.0)
    atoms *= (4, 1, 1)
    atoms.positions[:] = [[4, 4, 4], [4.5, 4, 4], [4, 4.5, 4], [3.6, 4, 4]]
    forces = []
    for others in ([1], [2], [3], [1, 2, 3]):
        batch = StructureBatch.from_atoms([atoms[[0, *others]]], dtype=torch.float64)
        forces.append(repulsive_forces(batch, build_neighbor_list(batch, 1.0), noise)[0])
    torch.testing.assert_close(forces[3], forces[0] + forces[1] + forces[2])
    assert all(float(force.norm()) > 0.1 for force in forces)


def test_slow_starts_are_not_dropped() -> None:
    """Twelve atoms do not settle within the steps of the first stage, and are relaxed all the same."""
    spec = GenerationSpec(composition="C", n=4, formula_units=(12,), model="diamond", starts=StartMix(random=1))
    result = generate_samples(load_model("diamond"), spec, range(4))
    assert len(result.structures) == 4
    assert max(structure.n_steps for structure in result.structures) > 100
    assert sum(structure.converged for structure in result.structures) >= 3


@pytest.mark.data
def test_each_of_the_fifteen_compounds_can_match(data_folder: Path) -> None:
    """Whatever the formula is called, however many units the cell holds."""
    references = ase.io.read(data_folder / "csp15.extxyz", ":")
    matcher = Matcher([(atoms.info["csp15_formula"], atoms) for atoms in references])
    assert len(references) == 15
    for atoms in references:
        found = [match.key for match in matcher.find_matches(atoms.repeat((2, 1, 1)))]
        assert found == [atoms.info["csp15_formula"]]
