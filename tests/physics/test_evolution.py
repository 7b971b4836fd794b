"""Populations that evolve: children have the atoms of their parents, and come to lower minima than their ancestors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk

from rm_engine.checkpoint import Model, load_model
from rm_engine.errors import InputError
from rm_engine.search import generate_samples
from rm_engine.search.heredity import Breeding, cross
from rm_engine.search.moves import exchange, shake_all
from rm_engine.search.plan import plan_moves
from rm_engine.search.walk import Relaxed, walk
from rm_engine.spec import GenerationSpec, StartMix
from service.jobs.submission import ChunkLimits, split_samples

SPEC = GenerationSpec(
    composition="Ba2Cd6",
    formula_units=(1,),
    starts=StartMix(random=1),
    generations=5,
    model="mp20",
    optimizer="lbfgs",
)
BREEDING = Breeding(shake_all, mixes_cells=True)


@pytest.fixture(scope="module")
def mp20() -> Model:
    return load_model("mp20", device="cpu")


def salts(edges: Sequence[float]) -> list[Atoms]:
    """Cells of rock salt of these edges, atoms in an order of their own."""
    cells = [bulk("NaCl", "rocksalt", a=edge, cubic=True) for edge in edges]
    return [cell[np.random.default_rng(k).permutation(len(cell))] for k, cell in enumerate(cells)]


class TestChildren:
    def test_have_the_atoms_of_their_parents_and_a_cell_between(self) -> None:
        first, second = salts([5.0, 6.0])
        for seed in range(30):
            child = cross(first, second, np.random.default_rng(seed), mixes_cells=True)
            assert child.get_chemical_formula() == "Cl4Na4"
            assert 5.0 < child.cell.lengths()[0] < 6.0
            assert child.pbc.all()

    def test_of_equal_parents_mostly_look_like_them(self) -> None:
        """A cut through one crystal and its shifted image: whole parts are inherited, not atoms here and there."""
        (parent,) = salts([5.6])
        rng, distances = np.random.default_rng(0), []
        for _ in range(20):
            child = cross(parent, parent, rng, mixes_cells=True)
            near = child.get_all_distances(mic=True) + 10 * np.eye(8)
            distances += [np.sum(np.isclose(near, 2.8, atol=1e-6)) / 2]
        assert np.mean(distances) > 6, "bonds between neighbours, of 24 with images"

    def test_keep_a_cell_that_is_kept_and_shift_along_what_repeats(self) -> None:
        slabs = salts([5.0, 5.0])
        for slab in slabs:
            slab.pbc = (True, True, False)
        child = cross(*slabs, np.random.default_rng(0), mixes_cells=False)
        assert np.array_equal(child.cell.array, slabs[0].cell.array)
        assert set(np.round(child.positions[:, 2], 6)) <= {0.0, 2.5}

    def test_come_of_mates_with_the_same_atoms_alone(self) -> None:
        first, second = salts([5.0, 6.0])
        other = bulk("NaCl", "rocksalt", a=9.0)
        population = [Relaxed(atoms, 0.0, True, 1) for atoms in (first, second, other)]
        rng = np.random.default_rng(0)
        children = [BREEDING(population, 0, rng) for _ in range(40)]
        assert all(child is not None and child.get_chemical_formula() == "Cl4Na4" for child in children)
        lengths = [child.cell.cellpar() for child in children if child is not None]
        n_crossed = sum(np.allclose(cell[3:], 90) and 5.01 < cell[0] < 5.99 for cell in lengths)
        assert 12 <= n_crossed <= 36
        alone = [BREEDING(population, 2, rng) for _ in range(10)]
        assert all(child is not None and child.get_chemical_formula() == "ClNa" for child in alone)


def test_the_lower_of_parent_and_child_lives_on() -> None:
    begun = [Relaxed(atoms, 0.0, True, 1) for atoms in salts([5.0, 6.0])]
    rngs = [np.random.default_rng(k) for k in range(2)]

    def relax(children: Sequence[Atoms]) -> list[Relaxed | None]:
        return [Relaxed(atoms, -atoms.get_volume(), True, 10) for atoms in children]

    ended = walk(begun, [BREEDING] * 4, rngs, relax)
    assert all(one.energy < -125 and one.n_steps == 41 for one in ended)


def test_a_population_comes_to_lower_minima_than_its_starts_and_than_others(mp20: Model) -> None:
    evolved = generate_samples(mp20, SPEC, range(24)).structures
    plain = generate_samples(mp20, replace(SPEC, generations=0), range(140)).structures
    assert sum(one.n_steps for one in evolved) < 1.2 * sum(one.n_steps for one in plain)
    lowest = min(one.pseudo_energy_per_atom for one in (*evolved, *plain)) + 1e-3
    n_evolved, n_plain = (sum(one.pseudo_energy_per_atom < lowest for one in each) for each in (evolved, plain))
    assert n_evolved / 24 > 3 * n_plain / 140
    for parent, child in zip(plain, evolved, strict=False):
        assert child.pseudo_energy_per_atom <= parent.pseudo_energy_per_atom + 1e-6
        assert child.atoms.get_chemical_formula() == "Ba2Cd6"


def test_the_same_samples_give_the_same_structures(mp20: Model) -> None:
    spec = replace(SPEC, generations=2, composition="LiS", formula_units=(2, 3))
    first, second = (generate_samples(mp20, spec, range(6, 14)).structures for _ in range(2))
    assert [(one.sample, one.pseudo_energy_per_atom, one.n_steps) for one in first] == [
        (one.sample, one.pseudo_energy_per_atom, one.n_steps) for one in second
    ]


def test_one_element_and_one_sample_only_mutate(mp20: Model) -> None:
    spec = GenerationSpec(composition="Cu", formula_units=(2,), generations=2, swaps=1, model="mp20", optimizer="lbfgs")
    (found,) = generate_samples(mp20, spec, range(1)).structures
    assert found.atoms.get_chemical_formula() == "Cu2"


def test_a_chunk_holds_a_population() -> None:
    limits = ChunkLimits(max_samples=64, max_atoms=1280)
    spec = replace(SPEC, n=128)
    assert split_samples(spec, limits) == [range(64), range(64, 128)]
    assert split_samples(replace(spec, hops=1), limits)[0] == range(32)
    assert spec.atom_steps == 6 * replace(spec, generations=0).atom_steps


def test_moves_come_in_order() -> None:
    spec = replace(SPEC, swaps=2, hops=1, generations=2)
    assert plan_moves(spec) == [exchange, shake_all, exchange, BREEDING, BREEDING]


@pytest.mark.parametrize("options", [{"periodic": (False, False, False)}, {"space_groups": ("auto",)}])
def test_only_where_a_child_has_a_meaning(options: dict[str, object]) -> None:
    with pytest.raises(InputError) as refused:
        GenerationSpec(composition="LiS", generations=1, **options)
    assert (refused.value.code, refused.value.field) == ("conflicting_fields", "generations")
