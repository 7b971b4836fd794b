"""Volumes and densities that are asked for, and kept."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from ase import Atoms
from ase.data import atomic_masses
from ase.units import _amu

from rm_engine.checkpoint import Model, load_model
from rm_engine.errors import InputError
from rm_engine.search import Starts, generate_samples
from rm_engine.spec import GenerationSpec, StartMix
from rm_engine.units import ATOMIC_MASSES, GRAMS_PER_CM3, SYMBOLS

CUBE = ((4.0, 0.0, 0.0), (0.0, 4.0, 0.0), (0.0, 0.0, 4.0))


@pytest.fixture(scope="module")
def diamond() -> Model:
    return load_model("diamond", device="cpu")


def density_of(atoms: Atoms) -> float:
    """g/cm³"""
    return float(atoms.get_masses().sum() * _amu * 1e3 / (atoms.get_volume() * 1e-24))


def test_masses_are_those_of_ase() -> None:
    assert len(ATOMIC_MASSES) == len(SYMBOLS)
    np.testing.assert_allclose(ATOMIC_MASSES[1:], atomic_masses[1:119])
    assert pytest.approx(_amu * 1e3 / 1e-24, rel=1e-6) == GRAMS_PER_CM3


@pytest.mark.parametrize("mix", [StartMix(references=1), StartMix(wyckoff=1), StartMix(random=1)])
def test_starts_have_the_density_asked_for(diamond: Model, mix: StartMix) -> None:
    spec = GenerationSpec(composition="C", n=6, density=2.5, model="diamond", starts=mix)
    known = [
        (
            "graphite-like",
            Atoms("C2", [(0, 0, 0), (1.42, 0, 0)], cell=[(2.1, 1.2, 0), (2.1, -1.2, 0), (0, 0, 3.4)], pbc=True),
        )
    ]
    starts = Starts(spec, diamond.card, known)
    for sample in range(6):
        assert density_of(starts.draw(sample).atoms) == pytest.approx(2.5)


@pytest.mark.parametrize("space_groups", [None, ("auto",)])
def test_a_volume_is_kept_while_shapes_relax(diamond: Model, space_groups: tuple[str, ...] | None) -> None:
    spec = GenerationSpec(
        composition="C",
        n=6,
        formula_units=(4,),
        density=3.0,
        fixed_volume=True,
        model="diamond",
        space_groups=space_groups,
    )
    found = generate_samples(diamond, spec, range(6)).structures
    starts = Starts(spec, diamond.card)
    assert len(found) == 6
    for structure in found:
        assert density_of(structure.atoms) == pytest.approx(3.0, rel=1e-4)
        start = starts.draw(structure.sample).atoms
        if structure.n_steps > 50 and space_groups is None:
            assert not np.allclose(start.cell.lengths(), structure.atoms.cell.lengths(), rtol=1e-2)
    free = generate_samples(diamond, GenerationSpec(composition="C", n=2, density=3.0, model="diamond"), range(2))
    assert all(abs(density_of(structure.atoms) - 3.0) > 0.05 for structure in free.structures)


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"density": 2.0, "cell": CUBE}, "density"),
        ({"density": 2.0, "volume_per_atom": (5.0, 6.0)}, "density"),
        ({"density": 2.0, "periodic": (False, False, False)}, "density"),
        ({"fixed_volume": True, "periodic": (False, False, False)}, "fixed_volume"),
        ({"fixed_volume": True, "fixed_cell": True, "cell": CUBE}, "fixed_volume"),
    ],
)
def test_what_cannot_go_together_is_refused(options: dict[str, Any], field: str) -> None:
    with pytest.raises(InputError) as refused:
        GenerationSpec(composition="C", **options)
    assert (refused.value.code, refused.value.field) == ("conflicting_fields", field)
