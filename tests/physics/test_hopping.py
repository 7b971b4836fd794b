"""Basin hopping comes to the lowest minima, where relaxations alone end in the next one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from ase import Atoms

from rm_engine.checkpoint import Model, load_model
from rm_engine.errors import InputError
from rm_engine.search import generate_samples
from rm_engine.search.moves import exchange, shake_all, shake_atoms
from rm_engine.search.plan import plan_moves
from rm_engine.search.walk import Relaxed
from rm_engine.spec import GenerationSpec, StartMix

SPEC = GenerationSpec(
    composition="Ba2Cd6", formula_units=(1,), starts=StartMix(random=1), hops=6, model="mp20", optimizer="lbfgs"
)
SLAB = {"periodic": (True, True, False), "cell": ((4, 0, 0), (0, 4, 0), (0, 0, 20))}


@pytest.fixture(scope="module")
def mp20() -> Model:
    return load_model("mp20", device="cpu")


def test_the_lowest_minimum_is_found_sooner(mp20: Model) -> None:
    """Per force call: of these eight atoms one start in 14 relaxes to the lowest minimum, one walk in two."""
    walked = generate_samples(mp20, SPEC, range(16)).structures
    plain = generate_samples(mp20, replace(SPEC, hops=0), range(100)).structures
    assert sum(one.n_steps for one in walked) < 1.2 * sum(one.n_steps for one in plain)
    lowest = min(one.pseudo_energy_per_atom for one in (*walked, *plain)) + 1e-3
    n_walked, n_plain = (sum(one.pseudo_energy_per_atom < lowest for one in each) for each in (walked, plain))
    assert n_walked / 16 > 3 * n_plain / 100
    assert np.mean([one.pseudo_energy_per_atom for one in walked]) < np.mean(
        [one.pseudo_energy_per_atom for one in plain]
    )


def test_a_walk_does_not_depend_on_who_else_walks(mp20: Model) -> None:
    spec = replace(SPEC, hops=2)
    together = generate_samples(mp20, spec, range(4)).structures
    alone = [generate_samples(mp20, spec, [sample]).structures[0] for sample in range(4)]
    for one, other in zip(together, alone, strict=True):
        assert one.pseudo_energy_per_atom == pytest.approx(other.pseudo_energy_per_atom, abs=1e-6)
        assert one.n_steps == other.n_steps


def test_a_given_cell_is_kept(mp20: Model) -> None:
    cell = ((4.2, 0, 0), (0, 4.2, 0), (0, 0, 4.2))
    spec = GenerationSpec(composition="NaCl", cell=cell, fixed_cell=True, hops=3, model="mp20", max_steps=100)
    (found,) = generate_samples(mp20, spec, range(1)).structures
    assert sorted(found.atoms.cell.lengths()) == pytest.approx([4.2] * 3)


def test_what_a_shake_changes() -> None:
    atoms = Atoms("LiS", [(0, 0, 0), (0, 0, 1.5)], cell=[3, 3, 4], pbc=True)
    relaxed, rng = [Relaxed(atoms, -1.0, True, 5)], np.random.default_rng(0)
    moved, strained = shake_atoms(relaxed, 0, rng), shake_all(relaxed, 0, rng)
    assert np.array_equal(moved.cell.array, atoms.cell.array)
    assert np.all(moved.positions != atoms.positions)
    assert strained.get_volume() == pytest.approx(atoms.get_volume())
    assert not np.allclose(strained.cell.array, atoms.cell.array)


@pytest.mark.parametrize(
    ("options", "shake"),
    [
        ({}, shake_all),
        ({"cell": ((4, 0, 0), (0, 4, 0), (0, 0, 4))}, shake_all),
        ({"cell": ((4, 0, 0), (0, 4, 0), (0, 0, 4)), "fixed_cell": True}, shake_atoms),
        (SLAB, shake_atoms),
        ({"periodic": (False, False, False)}, shake_atoms),
    ],
)
def test_cells_are_strained_where_they_relax(options: dict[str, object], shake: object) -> None:
    assert plan_moves(GenerationSpec(composition="LiS", hops=2, **options)) == [shake] * 2


def test_both_moves_take_turns_and_are_counted() -> None:
    spec = GenerationSpec(composition="LiS", swaps=1, hops=3)
    assert plan_moves(spec) == [exchange, shake_all, shake_all, shake_all]
    assert spec.atom_steps == 5 * replace(spec, swaps=0, hops=0).atom_steps


def test_a_space_group_would_be_lost() -> None:
    with pytest.raises(InputError) as refused:
        GenerationSpec(composition="LiS", hops=1, space_groups=("auto",))
    assert (refused.value.code, refused.value.field) == ("conflicting_fields", "hops")
