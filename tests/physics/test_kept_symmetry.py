"""Relaxations that keep the symmetry of their start: in any space group, by the kernel and by the plain path."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import spglib
import torch
from ase import Atoms
from ase.build import bulk
from ase.constraints import FixSymmetry
from ase.filters import UnitCellFilter
from ase.optimize import FIRE

from rm_engine.checkpoint import Model, load_model
from rm_engine.errors import SearchError
from rm_engine.prototypes.orbits import find_operations
from rm_engine.relax import RelaxationConfig, relax_in_stages
from rm_engine.search import Starts, generate_samples
from rm_engine.search.starts import Start
from rm_engine.spec import GenerationSpec, StartMix
from rm_engine.spec.space_groups import N_SPACE_GROUPS
from rm_engine.structure import CrystalSymmetry, StructureBatch

TIGHT = 1e-3
STAGES = (
    RelaxationConfig(fmax=0.05, max_steps=60, cell="fixed_volume"),
    RelaxationConfig(fmax=0.01, max_steps=300, cell="free"),
)
BLIND = StartMix(wyckoff=1, random=1)


@pytest.fixture(scope="module")
def mp20() -> Model:
    return load_model("mp20", device="cpu")


def starts_in(model: Model, composition: str, *groups: int | str, n: int = 1, **options: object) -> list[Start]:
    spec = GenerationSpec(composition=composition, n=n, space_groups=groups, model="mp20", seed=4, **options)
    starts = Starts(spec, model.card)
    return [starts.draw(sample) for sample in range(n)]


def count_operations(atoms: Atoms, symprec: float = TIGHT) -> int:
    """Rotations of the space group, whatever the cell: 48 at most."""
    cell = (atoms.cell.array, atoms.get_scaled_positions(), atoms.numbers)
    rotations = spglib.get_symmetry(cell, symprec=symprec)["rotations"]
    return len({rotation.tobytes() for rotation in rotations})


def distance_from_symmetry(atoms: Atoms, symmetry: CrystalSymmetry) -> float:
    """Å by which an operation brings an atom past the place where its image is, after the best common shift."""
    worst = 0.0
    for rotation, image in zip(symmetry.rotations, symmetry.images, strict=True):
        apart = atoms.positions @ rotation.T - atoms.positions[image]
        fractions = (apart - apart[0]) @ np.linalg.inv(atoms.cell.array)
        worst = max(worst, np.linalg.norm((fractions - fractions.round()) @ atoms.cell.array, axis=1).max())
        whole = np.linalg.solve(atoms.cell.array.T, (atoms.cell.array @ rotation.T).T)
        worst = max(worst, float(np.abs(whole - whole.round()).max()))
    return worst


def relax_starts(model: Model, starts: list[Start], *, dtype: torch.dtype, keep: bool = True) -> list[Atoms]:
    potential = model.potential if dtype == torch.float32 else replace(model).potential.double()
    batch = StructureBatch.from_atoms([start.atoms for start in starts], dtype=dtype)
    symmetries = [start.symmetry for start in starts] if keep else None
    result = relax_in_stages(potential, batch, STAGES, symmetries=symmetries)
    assert result.reasons == [None] * len(starts)
    return result.structures.to_atoms()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["kernel", "plain"])
def test_the_group_never_drops(dtype: torch.dtype) -> None:
    model = load_model("mp20", device="cpu")
    groups = (1, 2, 5, 14, 19, 62, 63, 88, 136, 148, 160, 164, 167, 186, 194, 198, 205, 216, 221, 225, 227)
    starts = [start for group in groups for start in starts_in(model, "Ti4O8", group, starts=BLIND)]
    assert any(start.kind == "wyckoff" for start in starts)
    assert any(start.kind == "random" for start in starts)
    for start, relaxed in zip(starts, relax_starts(model, starts, dtype=dtype), strict=True):
        assert start.symmetry is not None
        assert len(start.symmetry.rotations) == count_operations(start.atoms) or start.origin.startswith("1 ")
        assert distance_from_symmetry(relaxed, start.symmetry) < 1e-4, start.origin
        assert count_operations(relaxed) >= len(start.symmetry.rotations), start.origin


def test_without_it_the_group_drops(mp20: Model) -> None:
    starts = starts_in(mp20, "Ti4O8", "auto", n=12, starts=BLIND)
    shaken = [replace(start, atoms=shake(start.atoms)) for start in starts]
    relaxed = relax_starts(mp20, shaken, dtype=torch.float32, keep=False)
    kept = relax_starts(mp20, starts, dtype=torch.float32)
    assert any(count_operations(free) < count_operations(one) for free, one in zip(relaxed, kept, strict=True))


def shake(atoms: Atoms) -> Atoms:
    moved = atoms.copy()
    moved.rattle(0.05, seed=1)
    return moved


def test_both_paths_and_ase_go_the_same_way() -> None:
    model = load_model("mp20", device="cpu")
    (start,) = starts_in(model, "KZnF3", 221, n=1, starts=BLIND)
    ends = [relax_starts(model, [start], dtype=dtype)[0] for dtype in (torch.float32, torch.float64)]
    theirs = start.atoms.copy()
    theirs.calc = replace(model, potential=model.potential.double()).get_calculator()
    theirs.set_constraint(FixSymmetry(theirs))
    FIRE(UnitCellFilter(theirs), logfile=None).run(fmax=1e-3, steps=300)
    for ours in ends:
        assert ours.get_volume() == pytest.approx(theirs.get_volume(), rel=5e-3)
        np.testing.assert_allclose(np.sort(ours.cell.lengths()), np.sort(theirs.cell.lengths()), rtol=2e-3)


def test_the_symmetric_part_of_forces_is_left_alone(mp20: Model) -> None:
    (start,) = starts_in(mp20, "Ti4O8", 136, n=1, starts=BLIND)
    symmetry = start.symmetry
    assert symmetry is not None
    vectors = np.random.default_rng(0).standard_normal((len(start.atoms), 3))
    once = symmetry.symmetrize(vectors)
    np.testing.assert_allclose(symmetry.symmetrize(once), once, atol=1e-12)
    assert np.abs(once - vectors).max() > 0.1
    atoms = start.atoms.copy()
    atoms.calc = mp20.get_calculator()
    forces = atoms.get_forces()
    np.testing.assert_allclose(symmetry.symmetrize(forces), forces, atol=1e-4)


@pytest.mark.parametrize("composition", ["Li2S", "KZnF3"])
def test_known_crystals_keep_theirs(mp20: Model, composition: str) -> None:
    references = [("fluorite", bulk("CaF2", "fluorite", a=5.46)), ("perovskite", perovskite())]
    spec = GenerationSpec(
        composition=composition,
        n=3,
        formula_units=(1,),
        space_groups=("cubic",),
        starts=StartMix(references=1),
        model="mp20",
        seed=1,
    )
    starts = Starts(spec, mp20.card, references)
    origin, n_operations = {"Li2S": ("fluorite", 48), "KZnF3": ("perovskite", 48)}[composition]
    assert [starts.draw(sample).origin for sample in range(3)] == [origin] * 3
    for structure in generate_samples(mp20, spec, range(3), references=references).structures:
        assert count_operations(structure.atoms) == n_operations
    elsewhere = replace(spec, space_groups=("hexagonal",))
    assert Starts(elsewhere, mp20.card, references).draw(0).kind != "references"


def perovskite() -> Atoms:
    points = [(0, 0, 0), (0.5, 0.5, 0.5), (0.5, 0.5, 0), (0.5, 0, 0.5), (0, 0.5, 0.5)]
    return Atoms("CaTiO3", scaled_positions=points, cell=[3.9, 3.9, 3.9], pbc=True)


@pytest.mark.parametrize("group", range(1, N_SPACE_GROUPS + 1))
def test_every_space_group_has_starts(mp20: Model, group: int) -> None:
    """With as many atoms as its general position has, far apart."""
    size = len(find_operations(group).rotations) // find_operations(group).n_centrings
    options = {"starts": StartMix(random=1), "formula_units": (size,), "volume_per_atom": (500.0, 500.0)}
    (start,) = starts_in(mp20, "C", group, **options)
    assert start.symmetry is not None
    assert start.origin is not None
    assert start.origin.split()[0] == str(group)
    assert (len(start.atoms), len(start.symmetry.rotations)) == (size, size)
    assert distance_from_symmetry(start.atoms, start.symmetry) < 1e-4, "sites are written with six digits"
    assert count_operations(start.atoms) >= size


def test_what_fits_into_no_group_is_said(mp20: Model) -> None:
    spec = GenerationSpec(composition="LiS2", n=1, formula_units=(1,), space_groups=(230,), model="mp20")
    with pytest.raises(SearchError, match="No room for 3 atoms of LiS2 on Wyckoff positions"):
        Starts(spec, mp20.card).draw(0)
