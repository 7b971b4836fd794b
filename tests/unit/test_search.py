"""Random starts and what a search makes of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from ase import Atoms
from ase.build import molecule
from ase.data import covalent_radii
from ase.geometry import cell_to_cellpar
from ase.neighborlist import neighbor_list
from potentials import random_structure

import rm_engine
from rm_engine.checkpoint import Model
from rm_engine.errors import InputError, SearchError
from rm_engine.search import GeneratedStructure, Progress, Starts, generate_samples, relax_starts
from rm_engine.search.separation import CONTACT, has_fused_atoms
from rm_engine.search.stages import SampleStart, split_starts
from rm_engine.spec import GenerationSpec, ModelCard, StartMix, parse_formula
from rm_engine.structure import standardize

CUBE = ((4.0, 0.0, 0.0), (0.0, 4.0, 0.0), (0.0, 0.0, 4.0))
RANDOM = StartMix(random=1)


@pytest.fixture(scope="module")
def diamond() -> Model:
    return rm_engine.load_model("diamond", device="cpu")


@pytest.fixture(scope="module")
def mp20() -> Model:
    return rm_engine.load_model("mp20", device="cpu")


def shortest_separation(atoms: Atoms) -> float:
    """Shortest distance over the least allowed by default, all images counted by ASE."""
    i, j, d = neighbor_list("ijd", atoms, 6.0)
    allowed = CONTACT * (covalent_radii[atoms.numbers[i]] + covalent_radii[atoms.numbers[j]])
    return float((d / allowed).min(initial=np.inf))


def distances_of(atoms: Atoms) -> list[np.ndarray]:
    """Distances of each atom to all images within 5 Å, sorted."""
    i, d = neighbor_list("id", atoms, 5.0)
    return [np.sort(d[i == atom]) for atom in range(len(atoms))]


def draw(spec: GenerationSpec, card: ModelCard, sample: int = 0, attempt: int = 0) -> Atoms:
    """The start of a sample that knows of no other structure."""
    return Starts(spec, card).draw(sample, attempt).atoms


def is_same(first: Atoms, second: Atoms) -> bool:
    return first == second and np.array_equal(first.positions, second.positions)


class TestRandomStarts:
    @pytest.mark.parametrize("composition", ["LiS2", "KZnF3", "C", "H2O", "CsI"])
    def test_separations_hold_between_all_images(self, mp20: Model, composition: str) -> None:
        spec = GenerationSpec(composition=composition, starts=RANDOM)
        separations = [shortest_separation(draw(spec, mp20.card, sample)) for sample in range(12)]
        assert min(separations) > 0.97  # one tightening, where the first cells were too small
        assert np.median(separations) >= 1

    def test_the_distance_asked_for_holds(self, mp20: Model) -> None:
        spec = GenerationSpec(composition="Li2S", starts=RANDOM, min_distance=2.2, volume_per_atom=(18, 20))
        for sample in range(8):
            assert neighbor_list("d", draw(spec, mp20.card, sample), 6.0).min() >= 2.2

    def test_the_volume_asked_for_holds(self, mp20: Model) -> None:
        spec = GenerationSpec(composition="LiS2", starts=RANDOM, volume_per_atom=(30, 33))
        volumes = [a.get_volume() / len(a) for a in (draw(spec, mp20.card, sample) for sample in range(30))]
        assert 30 <= min(volumes) < 30.5
        assert 32.5 < max(volumes) <= 33

    def test_the_regressed_volume_is_the_default(self, mp20: Model) -> None:
        spec = GenerationSpec(composition="LiS2", starts=RANDOM)
        expected = (mp20.card.volumes["Li"] + 2 * mp20.card.volumes["S"]) / 3
        ratios = [a.get_volume() / len(a) / expected for a in (draw(spec, mp20.card, k) for k in range(30))]
        assert 0.9 <= min(ratios) < 0.93
        assert 1.07 < max(ratios) <= 1.1

    def test_cells_are_reduced_and_right_handed(self, mp20: Model) -> None:
        spec = GenerationSpec(composition="LiS2", starts=RANDOM)
        for sample in range(30):
            cell = draw(spec, mp20.card, sample).cell
            assert np.linalg.det(cell.array) > 0
            assert (np.abs(cell_to_cellpar(cell)[3:] - 90) <= 30.001).all()

    def test_an_element_of_no_volume_still_gets_room(self, mp20: Model) -> None:
        """A regression gives nothing to elements without data; atoms have to be placed all the same."""
        card = replace(mp20.card, volumes={**mp20.card.volumes, "Ar": 1e-3})
        for options in ({}, {"min_distance": 1.1}):
            spec = GenerationSpec(composition="Ar", starts=RANDOM, formula_units=(1, 8), **options)
            spec.check_against(card)
            for sample in range(2):
                atoms = draw(spec, card, sample)
                assert len(atoms) == (1, 8)[sample]
                assert atoms.get_volume() / len(atoms) > 2.5

    def test_no_room_is_an_error_in_bounded_time(self, mp20: Model) -> None:
        spec = GenerationSpec(
            composition="LiS2", starts=RANDOM, formula_units=(8,), min_distance=3.0, volume_per_atom=(20, 20)
        )
        spec.check_against(mp20.card)  # not impossible, only hopeless at random
        with pytest.raises(SearchError, match=r"24 atoms of LiS2 .* 3.00 Å.* min_distance"):
            draw(spec, mp20.card)

    def test_the_impossible_is_refused_at_once(self, mp20: Model) -> None:
        spec = GenerationSpec(composition="LiS2", starts=RANDOM, min_distance=5.0, volume_per_atom=(10, 12))
        with pytest.raises(InputError) as caught:
            generate_samples(mp20, spec, range(1))
        assert caught.value.code == "impossible_separation"

    def test_molecules_have_no_cell(self, mp20: Model) -> None:
        atoms = draw(GenerationSpec(composition="C2H6O", periodic=(False, False, False)), mp20.card)
        assert not atoms.pbc.any()
        assert not atoms.cell.any()
        assert atoms.get_chemical_formula() == "C2H6O"
        assert shortest_separation(atoms) > 0.97

    def test_a_given_cell_is_taken_as_it_is(self, mp20: Model) -> None:
        cell = ((4.0, 0.0, 0.0), (1.0, 5.0, 0.0), (0.0, 0.0, 18.0))
        spec = GenerationSpec(composition="C4", periodic=(True, True, False), cell=cell)
        atoms = draw(spec, mp20.card)
        assert atoms.pbc.tolist() == [True, True, False]
        np.testing.assert_array_equal(atoms.cell.array, cell)
        assert shortest_separation(atoms) > 0.97

    def test_formula_units_take_turns(self, mp20: Model) -> None:
        spec = GenerationSpec(composition="Li4S8", starts=RANDOM, formula_units=(1, 2))
        sizes = [len(draw(spec, mp20.card, sample)) for sample in range(4)]
        assert sizes == [12, 24, 12, 24]
        default = GenerationSpec(composition="Li4S8", starts=RANDOM)
        assert len(draw(default, mp20.card, 3)) == 12

    def test_seed_sample_and_attempt_say_it_all(self, mp20: Model) -> None:
        spec = GenerationSpec(composition="LiS2", starts=RANDOM)
        again = replace(spec, n=7, fmax=0.02)
        start = draw(spec, mp20.card, 3)
        assert is_same(start, draw(again, mp20.card, 3))
        for other in ((replace(spec, seed=1), 3, 0), (spec, 16, 0), (spec, 3, 1)):
            assert not is_same(start, draw(other[0], mp20.card, *other[1:]))


def search(model: Model, composition: str, samples: Any = range(3), **options: Any) -> list[GeneratedStructure]:
    spec = GenerationSpec(composition=composition, model=model.card.name, **{"max_steps": 5, **options})
    return generate_samples(model, spec, samples).structures


class TestSearch:
    def test_samples_do_not_depend_on_what_else_is_generated(self, diamond: Model) -> None:
        together = search(diamond, "C2", range(3))
        apart = search(diamond, "C2", [2]) + search(diamond, "C2", [1], n=4) + search(diamond, "C2", [0])
        found = {structure.sample: structure for structure in apart}
        assert [structure.sample for structure in together] == [0, 1, 2]
        for structure in together:
            other = found[structure.sample]
            assert structure.n_steps == other.n_steps
            assert structure.pseudo_energy_per_atom == pytest.approx(other.pseudo_energy_per_atom, rel=1e-3)

    def test_again_is_the_same_to_the_last_bit(self, diamond: Model) -> None:
        for first, second in zip(search(diamond, "C"), search(diamond, "C"), strict=True):
            assert is_same(first.atoms, second.atoms)
            assert first.pseudo_energy_per_atom == second.pseudo_energy_per_atom

    def test_a_fixed_cell_stays(self, diamond: Model) -> None:
        for structure in search(diamond, "C4", cell=CUBE, fixed_cell=True):
            np.testing.assert_allclose(structure.atoms.cell.cellpar(), [4, 4, 4, 90, 90, 90], atol=1e-5)

    def test_a_free_cell_moves(self, diamond: Model) -> None:
        for structure in search(diamond, "C4", cell=CUBE):
            assert not np.allclose(structure.atoms.cell.cellpar(), [4, 4, 4, 90, 90, 90], atol=1e-3)

    def test_slabs_keep_cell_and_orientation(self, diamond: Model) -> None:
        cell = ((0.0, 4.0, 0.0), (-4.0, 0.0, 0.0), (0.0, 0.0, 15.0))
        for structure in search(diamond, "C4", cell=cell, periodic=(True, True, False)):
            np.testing.assert_allclose(structure.atoms.cell.array, cell, atol=1e-5)
            assert structure.space_group is None

    def test_molecules(self, diamond: Model) -> None:
        for structure in search(diamond, "C5", periodic=(False, False, False)):
            assert not structure.atoms.cell.any()
            np.testing.assert_allclose(structure.atoms.positions.mean(axis=0), 0, atol=1e-5)
            assert structure.space_group is None
            with pytest.raises(ValueError, match=r"no crystal. Use .atoms"):
                _ = structure.structure

    def test_progress_counts_to_the_end(self, diamond: Model) -> None:
        told: list[Progress] = []
        spec = GenerationSpec(composition="C2", model="diamond", max_steps=60)
        generate_samples(diamond, spec, range(4), on_progress=told.append)
        assert {progress.n_samples for progress in told} == {4}
        assert told[0].n_done == 0
        assert all(0 <= progress.n_done <= 4 for progress in told)
        assert max(progress.n_steps for progress in told) >= 20

    def test_what_progress_raises_ends_the_search(self, diamond: Model) -> None:
        def stop(_: Progress) -> None:
            raise KeyboardInterrupt

        spec = GenerationSpec(composition="C2", model="diamond")
        with pytest.raises(KeyboardInterrupt):
            generate_samples(diamond, spec, range(2), on_progress=stop)

    def test_each_structure_is_handed_over_once_and_as_it_is_returned(self, mp20: Model) -> None:
        told: list[GeneratedStructure] = []
        spec = GenerationSpec(composition="LiS2", model="mp20", max_steps=20)
        result = generate_samples(mp20, spec, range(12), on_structure=told.append)
        assert sorted(told, key=lambda structure: structure.sample) == result.structures
        assert len(result.structures) + len(result.failures) == 12

    def test_starts_are_drawn_in_groups_of_growing_size(self, mp20: Model) -> None:
        """The first structures are final before later starts are so much as drawn."""
        starts = Starts(GenerationSpec(composition="LiS2", formula_units=(4,), model="mp20"), mp20.card)
        drawn: list[int] = []

        def draw_and_note() -> Iterator[SampleStart]:
            for sample in range(200):
                drawn.append(sample)
                yield sample, starts.draw(sample)

        groups = split_starts(draw_and_note())
        first, second = next(groups), next(groups)
        assert 12 * len(first) <= 512 < 12 * (len(first) + 1)
        assert len(second) == pytest.approx(2 * len(first), abs=2)
        assert len(drawn) < 200
        assert [sample for group in (first, second, *groups) for sample, _ in group] == list(range(200))

    def test_what_is_told_of_a_structure_ends_the_search_when_it_raises(self, diamond: Model) -> None:
        def stop(_: GeneratedStructure) -> None:
            raise KeyboardInterrupt

        spec = GenerationSpec(composition="C2", model="diamond", max_steps=2)
        with pytest.raises(KeyboardInterrupt):
            generate_samples(diamond, spec, range(2), on_structure=stop)

    @pytest.mark.parametrize("may_compile", [True, False])
    def test_steps_are_those_of_both_stages(
        self, mp20: Model, may_compile: bool, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """What is told of each structure is what the result says of it, however the stages are put together."""
        monkeypatch.setattr(mp20.potential, "may_compile", may_compile)
        spec = GenerationSpec(composition="LiS2", model="mp20", max_steps=30)
        starts = [draw(spec, mp20.card, sample) for sample in range(6)]
        told: dict[int, tuple[float, bool, int, str | None]] = {}
        result = relax_starts(mp20, spec, starts, on_done=lambda row, _, *outcome: told.update({row: outcome}))
        rows = zip(*(column.tolist() for column in (result.energies, result.converged, result.n_steps)), strict=True)
        assert [told[row] for row in range(6)] == [(*row, None) for row in rows]
        assert int(result.n_steps.max()) > 30

    def test_a_sample_without_room_fails_alone_with_the_reason(self, diamond: Model) -> None:
        """A cell of one atom has room at this separation; twenty at random never find it."""
        spec = GenerationSpec(
            composition="C",
            formula_units=(1, 20),
            min_distance=1.8,
            volume_per_atom=(8, 8),
            model="diamond",
            max_steps=3,
        )
        result = generate_samples(diamond, spec, range(2))
        assert [structure.sample for structure in result.structures] == [0]
        (failure,) = result.failures
        assert failure.sample == 1
        assert "No room for 20 atoms" in failure.reason


class TestPublicFace:
    def test_generate(self, diamond: Model) -> None:
        found = rm_engine.generate(diamond, "C", n=4, seed=2, formula_units=2, max_steps=200)
        assert len(found) == 4
        energies = [structure.pseudo_energy_per_atom for structure in found]
        assert energies == sorted(energies)
        assert sorted(structure.sample for structure in found) == [0, 1, 2, 3]
        for structure in found:
            assert structure.atoms.get_chemical_formula() == "C2"
            assert structure.structure.composition.formula == "C2"
            assert structure.structure.volume == pytest.approx(structure.atoms.get_volume())
            assert structure.n_steps > 0
            assert 1 <= structure.space_group.number <= 230
            assert not has_fused_atoms(structure.atoms)
        assert any(structure.converged for structure in found)

    def test_energies_are_those_of_the_calculator(self, diamond: Model) -> None:
        for structure in rm_engine.generate(diamond, "C4", n=2, max_steps=30):
            atoms = structure.atoms.copy()
            atoms.calc = diamond.get_calculator()
            assert atoms.get_potential_energy() / len(atoms) == pytest.approx(
                structure.pseudo_energy_per_atom, abs=1e-4
            )

    def test_formula_units_multiply_the_formula_as_written(self, mp20: Model) -> None:
        (structure,) = rm_engine.generate(mp20, "Li4S8", n=1, formula_units=1, max_steps=1)
        assert len(structure.atoms) == 12

    def test_nothing_found_is_an_error_that_says_why(self, diamond: Model) -> None:
        with pytest.raises(SearchError, match=r"None of 1 samples of C gave a structure: No room"):
            rm_engine.generate(diamond, "C", n=1, formula_units=20, min_distance=1.9, volume_per_atom=(5.5, 5.5))

    def test_an_unknown_element_is_refused(self, diamond: Model) -> None:
        with pytest.raises(InputError) as caught:
            rm_engine.generate(diamond, "LiS2")
        assert (caught.value.code, caught.value.field) == ("element_not_in_model", "composition")

    def test_unknown_names(self) -> None:
        with pytest.raises(AttributeError, match="nonsense"):
            _ = rm_engine.nonsense


class TestStandardize:
    @pytest.mark.parametrize("hand", [1, -1])
    def test_the_structure_stays_the_same(self, hand: int) -> None:
        for seed in range(8):
            atoms = random_structure([3, 16], 5, seed)
            skewed = Atoms(
                atoms.numbers, atoms.positions, cell=hand * np.array([[1, 2, -3], [0, 1, 4], [0, 0, 1]]) @ atoms.cell,
                pbc=True,
            )  # fmt: skip
            standard = standardize(skewed)
            assert np.linalg.det(standard.cell.array) > 0
            np.testing.assert_allclose(standard.cell.array[np.triu_indices(3, 1)], 0, atol=1e-10)
            assert standard.get_volume() == pytest.approx(atoms.get_volume())
            fractional = standard.get_scaled_positions(wrap=False)
            assert ((fractional > -1e-9) & (fractional < 1)).all()
            for ours, theirs in zip(distances_of(standard), distances_of(atoms), strict=True):
                np.testing.assert_allclose(ours, theirs, atol=1e-9)

    def test_molecules_are_centred(self) -> None:
        water = molecule("H2O")
        water.positions += [3, 4, 5]
        standard = standardize(water)
        np.testing.assert_allclose(standard.positions.mean(axis=0), 0, atol=1e-12)
        np.testing.assert_allclose(standard.get_all_distances(), water.get_all_distances())


@pytest.mark.parametrize(("distance", "is_fused"), [(0.6, True), (0.8, False)])
def test_fused_atoms_are_found_through_the_faces_of_the_cell(distance: float, is_fused: bool) -> None:
    positions = [[0.1, 1, 1], [5.1 - distance, 1, 1]]
    assert has_fused_atoms(Atoms("C2", positions, cell=[5, 5, 5], pbc=True)) is is_fused
    assert not has_fused_atoms(Atoms("C2", positions, cell=[5, 5, 5], pbc=(False, True, True)))


def test_an_atom_may_fuse_with_its_own_image() -> None:
    assert has_fused_atoms(Atoms("C", cell=[0.6, 5, 5], pbc=True))
    assert not has_fused_atoms(Atoms("C", cell=[0.6, 5, 5], pbc=(False, True, True)))


def test_volume_of_never_falls_below_what_atoms_need(mp20: Model) -> None:
    card: ModelCard = replace(mp20.card, volumes={"Ar": 0.0, "Li": 14.0})
    argon, lithium = map(parse_formula, ("Ar2", "Li2"))
    assert card.volume_of(argon) == pytest.approx(6.0)
    assert card.volume_of(lithium) == pytest.approx(28.0)
