"""What must hold for any potential energy surface, on three architectures with random weights, in float64."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk, fcc111
from ase.data import covalent_radii
from potentials import REFERENCE, random_structure, reference_potential, respond_to
from scipy.stats import ortho_group
from torch.utils._python_dispatch import TorchDispatchMode

from rm_engine.neighbors import NeighborList, build_neighbor_list
from rm_engine.potential import CACE, evaluate
from rm_engine.potential.core import core_repulsion
from rm_engine.structure import StructureBatch

STEP = 1e-5  # Å, of numerical derivatives


@pytest.fixture(params=list(REFERENCE))
def architecture(request: pytest.FixtureRequest) -> str:
    """l_max and nu_max of 2 and 3, embeddings of their own and shared."""
    return request.param


@pytest.fixture
def potential(architecture: str) -> CACE:
    return reference_potential(architecture)


@pytest.fixture(params=[0.0, 0.95], ids=["bare", "core"])
def potential_and_core(request: pytest.FixtureRequest, architecture: str) -> CACE:
    """Without and with a core that reaches beyond bond lengths, so that it takes part."""
    return reference_potential(architecture, core_contact=request.param, core_strength=0.1)


def structure_for(potential: CACE, seed: int = 0, n_atoms: int = 4, **options: Any) -> Atoms:
    """Of elements small enough that the longest core ends within the cutoff."""
    return random_structure(potential.config.elements[:36], n_atoms, seed, **options)


def displaced(atoms: Atoms, row: int, axis: int, step: float) -> Atoms:
    copy = atoms.copy()
    copy.positions[row, axis] += step
    return copy


def strained(atoms: Atoms, deformation: np.ndarray) -> Atoms:
    copy = atoms.copy()
    copy.set_cell(atoms.cell.array @ deformation, scale_atoms=True)
    return copy


def derivative(potential: CACE, forward: list[Atoms], backward: list[Atoms]) -> np.ndarray:
    energies = respond_to(potential, forward + backward).energies.numpy()
    return (energies[: len(forward)] - energies[len(forward) :]) / (2 * STEP)


class TestGradients:
    def test_forces(self, potential_and_core: CACE) -> None:
        for atoms in (structure_for(potential_and_core), structure_for(potential_and_core, 1, pbc=False, length=2.0)):
            places = [(row, axis) for row in range(len(atoms)) for axis in range(3)]
            numeric = -derivative(
                potential_and_core,
                [displaced(atoms, *place, STEP) for place in places],
                [displaced(atoms, *place, -STEP) for place in places],
            ).reshape(-1, 3)
            forces = respond_to(potential_and_core, [atoms]).forces
            assert np.abs(numeric).max() > 1e-3
            np.testing.assert_allclose(forces, numeric, atol=1e-7 * max(1, np.abs(numeric).max()))

    def test_stress(self, potential_and_core: CACE) -> None:
        atoms = structure_for(potential_and_core, 2)

        def strain(i: int, j: int, step: float) -> Atoms:
            symmetric = np.zeros((3, 3))
            symmetric[i, j] += step / 2
            symmetric[j, i] += step / 2
            return strained(atoms, np.eye(3) + symmetric)

        places = [(i, j) for i in range(3) for j in range(3)]
        numeric = derivative(
            potential_and_core, [strain(*p, STEP) for p in places], [strain(*p, -STEP) for p in places]
        )
        numeric = numeric.reshape(3, 3) / atoms.get_volume()
        stress = respond_to(potential_and_core, [atoms]).stresses[0]
        assert np.abs(numeric).max() > 1e-4
        np.testing.assert_allclose(stress, numeric, atol=1e-7 * max(1, np.abs(numeric).max()))

    def test_only_crystals_have_stress(self, potential: CACE) -> None:
        atoms = [structure_for(potential, pbc=pbc) for pbc in (False, (True, True, False))]
        assert not respond_to(potential, atoms).stresses.any()


class TestSymmetries:
    @pytest.mark.parametrize("determinant", [1, -1], ids=["rotation", "reflection"])
    def test_rotation_turns_forces_and_stress(self, potential: CACE, determinant: int) -> None:
        """A reflection makes the cell left-handed, which must not flip the sign of the stress."""
        rotation = ortho_group.rvs(3, random_state=7)
        rotation *= determinant * np.linalg.det(rotation)
        atoms = structure_for(potential)
        turned = Atoms(atoms.numbers, atoms.positions @ rotation, cell=atoms.cell.array @ rotation, pbc=True)
        response = respond_to(potential, [atoms, turned])
        before, after = response.forces.numpy().reshape(2, -1, 3)
        torch.testing.assert_close(response.energies[1], response.energies[0], rtol=1e-11, atol=0)
        np.testing.assert_allclose(after, before @ rotation, atol=1e-11)
        stresses = response.stresses.numpy()
        np.testing.assert_allclose(stresses[1], rotation.T @ stresses[0] @ rotation, atol=1e-11)

    def test_translation_images_and_order_do_not_matter(self, potential: CACE) -> None:
        atoms = structure_for(potential, n_atoms=5)
        rng = np.random.default_rng(3)
        order = rng.permutation(len(atoms))
        other = atoms[order]
        other.positions += rng.normal(size=3) + rng.integers(-2, 3, (len(atoms), 3)) @ atoms.cell.array
        response = respond_to(potential, [atoms, other])
        before, after = response.forces.numpy().reshape(2, -1, 3)
        torch.testing.assert_close(response.energies[1], response.energies[0], rtol=1e-11, atol=0)
        np.testing.assert_allclose(after, before[order], atol=1e-11)
        torch.testing.assert_close(response.stresses[1], response.stresses[0], rtol=0, atol=1e-11)
        np.testing.assert_allclose(before.sum(axis=0), 0, atol=1e-11)

    def test_choice_of_cell_does_not_matter(self, potential: CACE) -> None:
        """A supercell has the same forces, stress and energy per atom; so has another cell of the same lattice."""
        atoms = structure_for(potential, n_atoms=3)
        supercell = atoms.repeat((2, 1, 3))
        oblique = atoms.copy()
        oblique.set_cell([[1, 0, 0], [3, 1, 0], [-2, 1, 1]] @ atoms.cell.array)
        one, six, same = (respond_to(potential, [a]) for a in (atoms, supercell, oblique))
        torch.testing.assert_close(six.energies, 6 * one.energies, rtol=1e-11, atol=0)
        torch.testing.assert_close(six.forces, one.forces.repeat(6, 1), rtol=0, atol=1e-11)
        torch.testing.assert_close(six.stresses, one.stresses, rtol=0, atol=1e-11)
        torch.testing.assert_close(same.energies, one.energies, rtol=1e-11, atol=0)
        torch.testing.assert_close(same.forces, one.forces, rtol=0, atol=1e-11)
        torch.testing.assert_close(same.stresses, one.stresses, rtol=0, atol=1e-11)


class TestNeighborhoods:
    def test_smooth_at_the_cutoff(self, potential: CACE) -> None:
        """Energies vanish at least as the square of the distance to the cutoff, forces as the distance.

        As the cube and the square where a node of the Bessel functions lies on the cutoff.
        """
        cutoff, element = potential.config.cutoff, potential.config.elements[-1]

        def pair(gap: float) -> tuple[float, float]:
            atoms = Atoms([element] * 2, [[0, 0, 0], np.array([2, 1, 2]) / 3 * (cutoff + gap)])
            response = respond_to(potential, [atoms])
            return float(response.energies[0]), float(response.forces.norm(dim=1).max())

        apart, no_force = pair(1.0)
        assert no_force == 0
        assert pair(1e-9) == (apart, 0)
        (near, force), (nearer, smaller_force) = pair(-1e-2), pair(-1e-3)
        assert near != apart
        assert abs(near - apart) > 95 * abs(nearer - apart)
        assert force > 9.5 * smaller_force

    def test_an_atom_alone_has_an_energy_and_no_force(self, potential: CACE) -> None:
        element = potential.config.elements[0]
        alone = [Atoms([element]), Atoms([element], cell=[20, 20, 20], pbc=True)]
        response = respond_to(potential, alone)
        assert torch.isfinite(response.energies).all()
        assert response.energies[0] == response.energies[1]
        assert not response.forces.any()
        assert not response.stresses.any()

    def test_batches_of_all_kinds_equal_one_by_one(self, potential: CACE) -> None:
        element = potential.config.elements[-1]
        mixed = [
            structure_for(potential, 0, 1, length=2.5),
            structure_for(potential, 1, 7, pbc=False),
            Atoms([element]),
            structure_for(potential, 2, 12, length=7.0),
            Atoms([element] * 4, fcc111("Al", (2, 2, 1)).positions, cell=np.diag([5.7, 5.0, 1]), pbc=(1, 1, 0)),
            structure_for(potential, 3, 2, length=2.2),
        ]
        together = respond_to(potential, mixed)
        alone = [respond_to(potential, [atoms]) for atoms in mixed]
        for field in ("energies", "forces", "stresses"):
            expected = torch.cat([getattr(response, field) for response in alone])
            torch.testing.assert_close(getattr(together, field), expected, rtol=1e-11, atol=1e-11)

    def test_padding_and_far_neighbors_do_not_matter(self, potential_and_core: CACE) -> None:
        potential = potential_and_core
        atoms = [structure_for(potential, 0), structure_for(potential, 1, 6, pbc=False)]
        batch = StructureBatch.from_atoms(atoms, dtype=torch.float64)
        exact = build_neighbor_list(batch, potential.config.cutoff)
        generator = torch.Generator().manual_seed(0)
        columns = (batch.n_atoms, 9)
        padded = NeighborList(
            torch.cat([exact.index, torch.randint(batch.n_atoms, columns, generator=generator)], dim=1),
            torch.cat([exact.image, torch.randn(*columns, 3, generator=generator).round().double()], dim=1),
            torch.cat([exact.present, torch.zeros(columns, dtype=torch.bool)], dim=1),
        )
        expected = evaluate(potential, batch, exact)
        for neighbors in (padded, build_neighbor_list(batch, potential.config.cutoff + 1.5)):
            response = evaluate(potential, batch, neighbors)
            for field in ("energies", "forces", "stresses"):
                torch.testing.assert_close(getattr(response, field), getattr(expected, field), rtol=1e-11, atol=1e-11)


class TestCore:
    NUMBERS = (1, 6, 3, 16, 55)

    def test_gradient(self) -> None:
        generator = torch.Generator().manual_seed(1)
        numbers, others = torch.tensor(self.NUMBERS), torch.tensor(self.NUMBERS)[torch.randperm(5)].repeat(5, 1)
        vectors = torch.randn(5, 3, 5, generator=generator, dtype=torch.float64)

        def energy(moved: torch.Tensor) -> torch.Tensor:
            return core_repulsion(numbers, others, moved, contact=0.9, strength=20.0)[0]

        assert torch.autograd.gradcheck(energy, vectors.requires_grad_(True))
        (expected,) = torch.autograd.grad(energy(vectors).sum(), vectors)
        _, gradient = core_repulsion(numbers, others, vectors.detach(), contact=0.9, strength=20.0)
        assert expected.abs().max() > 1
        torch.testing.assert_close(gradient, expected)

    @pytest.mark.parametrize(
        ("pair", "bond"), [("HH", 0.74), ("CC", 1.20), ("NN", 1.10), ("CO", 1.13), ("HF", 0.92), ("BH", 1.23)]
    )
    def test_exactly_zero_at_the_shortest_bonds(self, pair: str, bond: float) -> None:
        numbers = torch.tensor(Atoms(pair).numbers)
        vectors = torch.tensor([[[bond], [0.0], [0.0]]])
        energies, gradient = core_repulsion(numbers[:1], numbers[None, 1:], vectors, contact=0.7, strength=20.0)
        assert not energies.any()
        assert not gradient.any()

    def test_closes_every_hole(self, architecture: str) -> None:
        """Two atoms that have come too close are pushed apart, whatever the learned surface says there."""
        closed = reference_potential(architecture, core_contact=0.7)
        element = closed.config.elements[-1]
        contact = 0.7 * 2 * covalent_radii[element]
        distances = np.linspace(0.05, 0.5, 10) * contact
        pairs = [Atoms([element] * 2, [[0, 0, 0], [0, 0, r]]) for r in distances]
        forces = respond_to(closed, pairs).forces.reshape(-1, 2, 3)[:, 1, 2]
        assert (forces > 0).all()
        gained = respond_to(closed, pairs).energies - respond_to(closed, pairs, bare=True).energies
        np.testing.assert_allclose(gained, 20.0 * (contact / distances - 1) ** 3, rtol=1e-9)


class _LargestTensor(TorchDispatchMode):
    """Remembers the most elements of anything that any operation, forward or backward, put out."""

    numel = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        for tensor in result if isinstance(result, tuple | list) else (result,):
            if isinstance(tensor, torch.Tensor):
                self.numel = max(self.numel, tensor.numel())
        return result


@pytest.mark.parametrize("differentiable", [False, True], ids=["evaluation", "training"])
def test_nothing_of_edges_times_radial_times_angular_times_channels(potential: CACE, differentiable: bool) -> None:
    """The largest tensor holds the radial functions of every edge, once for each component of the embedding."""
    config = potential.config
    element = config.elements[-1]
    crystal = bulk("Cu", "fcc", a=1.9 * config.cutoff / 4.5, cubic=True)
    crystal.numbers[:] = element
    crystal.positions += np.random.default_rng(0).normal(scale=0.05, size=(4, 3))
    batch = StructureBatch.from_atoms([crystal], dtype=torch.float64)
    neighbors = build_neighbor_list(batch, config.cutoff)
    with _LargestTensor() as largest:
        response = evaluate(potential, batch, neighbors, differentiable=differentiable)
        if differentiable:
            response.forces.square().sum().backward()
    n_edges = neighbors.present.numel()
    n_monomials = math.comb(config.l_max + 3, 3)
    assert n_edges > 4 * 200
    assert largest.numel <= n_edges * max(config.n_radial_functions * config.n_embedding, n_monomials)


@pytest.mark.parametrize("name", REFERENCE)
def test_of_nothing_there_is_nothing(name: str) -> None:
    response = respond_to(reference_potential(name), [])
    assert [part.shape[0] for part in vars(response).values()] == [0, 0, 0]
