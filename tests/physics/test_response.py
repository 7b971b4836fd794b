"""The noise, and the pseudo forces and stresses that answer it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk, molecule
from potentials import random_structure
from scipy.stats import special_ortho_group

from rm_engine.neighbors import build_neighbor_list
from rm_engine.response import NoisyBatch, elastic_stresses, repulsive_forces, respond, shake
from rm_engine.spec import NoiseSpec
from rm_engine.structure import StructureBatch

NOISE = NoiseSpec()
LAME, SHEAR = 0.3 / (1.3 * 0.4), 1 / 2.6  # of Young's modulus 1 and Poisson's ratio 0.3


def batch_of(*structures: Atoms) -> StructureBatch:
    return StructureBatch.from_atoms(structures, dtype=torch.float64)


def equilibrium() -> list[Atoms]:
    return [bulk("NaCl", "rocksalt", a=5.6, cubic=True), molecule("C6H6"), bulk("Mg"), molecule("H2O")] * 20


def shaken(noise: NoiseSpec, seed: int = 0) -> tuple[StructureBatch, NoisyBatch]:
    batch = batch_of(*equilibrium())
    return batch, shake(batch, noise, torch.Generator().manual_seed(seed))


class TestShake:
    def test_displacements_keep_the_centre_and_their_bounds(self) -> None:
        for amplitude in (0.05, 1.6):
            batch, noisy = shaken(replace(NOISE, amplitudes=(amplitude,)))
            means = batch.sum_over_atoms(noisy.displacements) / batch.sizes[:, None]
            assert means.abs().max() < 1e-15
            # Half the amplitude, and at most as much again because the centre is subtracted.
            assert amplitude / 2 < noisy.displacements.abs().max() <= amplitude

    def test_every_structure_draws_its_own_amplitude(self) -> None:
        batch, noisy = shaken(replace(NOISE, amplitudes=(0.0, 0.1, 100.0)))
        largest = torch.zeros(batch.n_structures, dtype=torch.float64).scatter_reduce(
            0, batch.structure_of, noisy.displacements.abs().amax(dim=1), "amax"
        )
        still, little, much = largest == 0, (largest > 0) & (largest <= 0.1), largest > 0.1
        assert min(int(kind.sum()) for kind in (still, little, much)) > 0.2 * batch.n_structures

    def test_displacements_are_uniform(self) -> None:
        batch = batch_of(bulk("NaCl", "rocksalt", a=5.6, cubic=True).repeat(10))
        noisy = shake(batch, replace(NOISE, amplitudes=(0.4,)), torch.Generator().manual_seed(1))
        values = noisy.displacements.flatten()
        assert values.abs().max() == pytest.approx(0.2, rel=0.02)
        assert values.var().item() == pytest.approx(0.4**2 / 12, rel=0.03)
        assert torch.histc(values, 10, -0.2, 0.2).min() > 0.9 * len(values) / 10

    def test_cells_of_crystals_are_strained_within_bounds_and_atoms_go_along(self) -> None:
        batch, noisy = shaken(NOISE)
        crystals = batch.is_crystal
        torch.testing.assert_close(noisy.batch.cells, batch.cells @ noisy.deformations)
        change = noisy.batch.cells[crystals] - batch.cells[crystals]
        isotropic = NOISE.largest_scaling * batch.cells[crystals].abs()
        bound = isotropic + NOISE.cell_noise / 2 * batch.volumes[crystals, None, None] ** (1 / 3)
        assert (change.abs() <= bound + 1e-12).all()
        assert (change.abs() > 0.8 * bound).any()
        sites = noisy.batch.positions - noisy.displacements
        fractional = torch.einsum("ni,nij->nj", sites, torch.linalg.inv(noisy.batch.cells)[batch.structure_of])
        before = torch.einsum("ni,nij->nj", batch.positions, torch.linalg.inv(batch.cells)[batch.structure_of])
        torch.testing.assert_close(fractional, before)

    def test_molecules_and_slabs_keep_their_cells(self) -> None:
        slab = random_structure([6], 4, 0, pbc=(True, True, False))
        batch = batch_of(molecule("H2O"), slab)
        noisy = shake(batch, NOISE, torch.Generator().manual_seed(0))
        assert torch.equal(noisy.batch.cells, batch.cells)
        assert torch.equal(noisy.deformations, torch.eye(3, dtype=torch.float64).expand(2, 3, 3))
        torch.testing.assert_close(noisy.batch.positions, batch.positions + noisy.displacements, rtol=0, atol=1e-15)

    def test_scalings_come_in_eleven_steps(self) -> None:
        batch = batch_of(*[bulk("Mg")] * 200)
        noisy = shake(batch, replace(NOISE, cell_noise=0.0), torch.Generator().manual_seed(0))
        scalings = noisy.deformations[:, 0, 0]
        torch.testing.assert_close(noisy.deformations, scalings[:, None, None] * torch.eye(3, dtype=torch.float64))
        assert {round(s, 6) for s in scalings.tolist()} == {round(0.9 + 0.02 * k, 6) for k in range(11)}

    def test_the_seed_is_all_there_is(self) -> None:
        first, again, other = (shaken(NOISE, seed)[1] for seed in (3, 3, 4))
        assert torch.equal(first.batch.positions, again.batch.positions)
        assert torch.equal(first.batch.cells, again.batch.cells)
        assert not torch.equal(first.displacements, other.displacements)


class TestForces:
    def test_harmonic_where_nothing_touches(self) -> None:
        _, noisy = shaken(replace(NOISE, amplitudes=(0.1,)))
        neighbors = build_neighbor_list(noisy.batch, 4.0)
        assert noisy.displacements.abs().max() > 0.04
        assert torch.equal(respond(noisy, neighbors, NOISE).forces, -noisy.displacements)

    @pytest.mark.parametrize(("strength", "exponent"), [(1.0, 2), (2.5, 3)])
    def test_repulsion_is_the_gradient_of_the_pair_energy(self, strength: float, exponent: int) -> None:
        """Several neighbours at once, so that none may be lost, and images among them."""
        noise = replace(NOISE, repulsion_cutoff=1.4, repulsion_strength=strength, repulsion_exponent=exponent)
        atoms = random_structure([6], 12, 4, length=2.2)
        batch = batch_of(atoms)

        def energy(positions: np.ndarray) -> float:
            total, cell = 0.0, atoms.cell.array
            offsets = np.stack(np.meshgrid(*[range(-4, 5)] * 3, indexing="ij"), axis=-1).reshape(-1, 3) @ cell
            for i in range(len(atoms)):
                for j in range(len(atoms)):
                    r2 = ((positions[j] + offsets - positions[i]) ** 2).sum(axis=1)
                    inside = (r2 < noise.repulsion_cutoff**2) & (r2 > 1e-12)
                    total += (strength * (1 - r2[inside] / noise.repulsion_cutoff**2) ** exponent).sum() / 2
            return total

        wrapped = atoms.copy()
        wrapped.wrap()
        step, numeric = 1e-5, np.zeros((len(atoms), 3))
        for place in np.ndindex(*numeric.shape):
            move = np.zeros_like(numeric)
            move[place] = step
            numeric[place] = -(energy(wrapped.positions + move) - energy(wrapped.positions - move)) / (2 * step)
        neighbors = build_neighbor_list(batch, 2.0)
        forces = repulsive_forces(batch, neighbors, noise)
        distances = neighbors.displacements(batch, far=9.0).norm(dim=1)
        assert ((distances < noise.repulsion_cutoff).sum(dim=1) >= 3).sum() > 6
        np.testing.assert_allclose(forces, numeric, atol=1e-8)

    def test_atoms_repel_their_nearest_images(self) -> None:
        """Contact through the face of a cell, and the harmonic force of an atom that was pushed through it."""
        pair = batch_of(Atoms("C2", [[0.1, 2, 2], [3.8, 2, 2]], cell=[4, 4, 4], pbc=True))
        displacements = torch.tensor([[-0.2, 0, 0], [0.2, 0, 0]], dtype=torch.float64)
        identity = torch.eye(3, dtype=torch.float64)[None]
        moved = pair.moved(pair.positions + torch.tensor([[-0.2, 0, 0], [0, 0, 0]]).double(), pair.cells)
        noisy = NoisyBatch(moved, displacements, identity)
        forces = respond(noisy, build_neighbor_list(moved, 1.0), NOISE).forces
        # They are at 3.8 Å and, through the face, at 3.9 Å: 0.1 Å apart.
        push = 4 * 0.1 / 0.75**2 * (1 - (0.1 / 0.75) ** 2)
        np.testing.assert_allclose(forces, [[0.2 + push, 0, 0], [-0.2 - push, 0, 0]], atol=1e-12)

    def test_what_is_between_molecules_and_crystals_is_nothing(self) -> None:
        """Structures of a batch lie on top of one another in space and yet do not touch."""
        batch = batch_of(molecule("H2O"), molecule("H2O"), bulk("Mg"))
        assert not repulsive_forces(batch, build_neighbor_list(batch, 4.0), NOISE).any()


class TestElasticStress:
    @staticmethod
    def stress(deformation: np.ndarray) -> np.ndarray:
        return elastic_stresses(torch.tensor(deformation)[None], 1.0, 0.3)[0].numpy()

    def test_uniaxial(self) -> None:
        strain = (1.1**2 - 1) / 2
        expected = np.diag([LAME + 2 * SHEAR, LAME, LAME]) * strain
        np.testing.assert_allclose(self.stress(np.diag([1.1, 1, 1])), expected, rtol=1e-12)

    def test_shear(self) -> None:
        deformation = np.eye(3)
        deformation[0, 1] = 0.02
        strain = np.array([[0, 0.01, 0], [0.01, 0.0002, 0], [0, 0, 0]])
        expected = 2 * SHEAR * strain + LAME * 0.0002 * np.eye(3)
        np.testing.assert_allclose(self.stress(deformation), expected, rtol=1e-12)

    def test_stretched_is_positive_and_compressed_negative(self) -> None:
        for scaling in (1.05, 0.95):
            stress = self.stress(scaling * np.eye(3))
            expected = (3 * LAME + 2 * SHEAR) * (scaling**2 - 1) / 2
            np.testing.assert_allclose(stress, expected * np.eye(3), atol=1e-14)
            assert np.sign(stress[0, 0]) == np.sign(scaling - 1)

    def test_young_and_poisson(self) -> None:
        """Pulled along one axis and free along the others: stress 1 per strain, contraction of 0.3 of it."""
        axial, lateral = 1e-3, -0.3e-3
        deformation = np.diag(np.sqrt(1 + 2 * np.array([axial, lateral, lateral])))
        np.testing.assert_allclose(self.stress(deformation), np.diag([axial, 0, 0]), atol=1e-15)

    def test_rotations(self) -> None:
        """Turning the body before the deformation changes nothing; turning it afterwards turns the stress."""
        deformation = np.eye(3) + 0.1 * np.random.default_rng(0).normal(size=(3, 3))
        rotation = special_ortho_group.rvs(3, random_state=1)
        stress = self.stress(deformation)
        np.testing.assert_allclose(self.stress(rotation @ deformation), stress, atol=1e-14)
        np.testing.assert_allclose(self.stress(deformation @ rotation), rotation.T @ stress @ rotation, atol=1e-14)
        np.testing.assert_allclose(self.stress(rotation), 0, atol=1e-14)
