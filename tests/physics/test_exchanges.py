"""Exchanges of atoms find which element is where, which relaxations alone do not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from ase import Atoms

from benchmarks.exchanges import make_elpasolite, relax_all, scramble
from rm_engine.checkpoint import Model, load_model
from rm_engine.errors import InputError
from rm_engine.search import generate_samples
from rm_engine.search.moves import exchange
from rm_engine.search.walk import Relaxed, walk
from rm_engine.spec import GenerationSpec, StartMix

IN_ORDER = 0.002
"""Pseudo energy per atom up to which a structure is the ordered one; the next is 0.007 higher."""


@pytest.fixture(scope="module")
def mp20() -> Model:
    return load_model("mp20", device="cpu")


def count_ordered(ends: Sequence[Relaxed | None], ordered: Atoms, model: Model) -> int:
    (reference,) = relax_all(model, [ordered])
    assert reference is not None
    size = len(ordered)
    return sum(end is not None and end.energy / size < reference.energy / size + IN_ORDER for end in ends)


def test_a_scrambled_crystal_is_put_in_order(mp20: Model) -> None:
    ordered = make_elpasolite()
    begun = [end for end in relax_all(mp20, [scramble(ordered, seed) for seed in range(8)]) if end is not None]
    generators = [np.random.default_rng(seed) for seed in range(len(begun))]
    exchanged = walk(begun, [exchange] * 40, generators, lambda structures: relax_all(mp20, structures))
    assert count_ordered(begun, ordered, mp20) <= 3
    assert count_ordered(exchanged, ordered, mp20) >= 5
    assert all(after.energy <= before.energy for before, after in zip(begun, exchanged, strict=True))


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_exchanges_find_what_plain_search_does_not(mp20: Model) -> None:
    """Two cells, in as many force calls: there are so many ways to put elements on sites that few others are tried."""
    ordered = make_elpasolite().repeat((2, 1, 1))
    begun = [end for end in relax_all(mp20, [scramble(ordered, seed) for seed in range(24)]) if end is not None]
    generators = [np.random.default_rng(seed) for seed in range(len(begun))]
    exchanged = walk(begun, [exchange] * 100, generators, lambda structures: relax_all(mp20, structures))
    n_calls, plain = sum(end.n_steps for end in exchanged), list[Relaxed]()
    while sum(end.n_steps for end in plain) < n_calls:
        seed = 1000 + len(plain)
        plain += [end for end in relax_all(mp20, [scramble(ordered, seed + k) for k in range(64)]) if end is not None]
    assert count_ordered(exchanged, ordered, mp20) > 2 * count_ordered(plain, ordered, mp20)


def test_exchanges_do_not_depend_on_who_else_exchanges(mp20: Model) -> None:
    spec = GenerationSpec(
        composition="LiS", n=4, formula_units=(3,), starts=StartMix(random=1), swaps=3, model="mp20", max_steps=200
    )
    together = generate_samples(mp20, spec, range(4)).structures
    alone = [generate_samples(mp20, spec, [sample]).structures[0] for sample in range(4)]
    for one, other in zip(together, alone, strict=True):
        assert one.pseudo_energy_per_atom == pytest.approx(other.pseudo_energy_per_atom, abs=1e-6)
        assert one.n_steps == other.n_steps
    without = generate_samples(mp20, replace(spec, swaps=0), range(4)).structures
    assert all(
        one.pseudo_energy_per_atom <= other.pseudo_energy_per_atom + 1e-6
        for one, other in zip(together, without, strict=True)
    )
    assert all(one.n_steps > other.n_steps for one, other in zip(together, without, strict=True))
    assert {one.atoms.get_chemical_formula() for one in together} == {"Li3S3"}


def test_one_element_has_nothing_to_exchange() -> None:
    atoms = Atoms("C2", [(0, 0, 0), (0, 0, 1.5)], cell=[3, 3, 3], pbc=True)
    (end,) = walk([Relaxed(atoms, -1.0, True, 5)], [exchange] * 3, [np.random.default_rng(0)], lambda structures: [])
    assert (end.energy, end.n_steps) == (-1.0, 5)


def test_what_is_set_aside_is_not_kept() -> None:
    atoms = Atoms("LiS", [(0, 0, 0), (0, 0, 1.5)], cell=[3, 3, 3], pbc=True)
    begun = Relaxed(atoms, -1.0, True, 5)
    (end,) = walk([begun], [exchange] * 3, [np.random.default_rng(0)], lambda structures: [None] * len(structures))
    assert end.energy == -1.0
    lower = replace(begun, energy=-2.0)
    (end,) = walk([begun], [exchange] * 3, [np.random.default_rng(0)], lambda structures: [lower] * len(structures))
    assert (end.energy, end.n_steps) == (-2.0, 20)


@pytest.mark.parametrize("options", [{"periodic": (False, False, False)}, {"space_groups": ("auto",)}])
def test_only_where_an_exchange_has_a_meaning(options: dict[str, object]) -> None:
    with pytest.raises(InputError) as refused:
        GenerationSpec(composition="LiS", swaps=1, **options)
    assert (refused.value.code, refused.value.field) == ("conflicting_fields", "swaps")


def test_work_is_counted_with_every_relaxation() -> None:
    spec = GenerationSpec(composition="LiS", n=4, formula_units=(1,))
    assert replace(spec, swaps=9).atom_steps == 10 * spec.atom_steps
