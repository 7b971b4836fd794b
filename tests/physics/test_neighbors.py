"""Neighbour lists against a brute-force oracle and against ASE's."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.neighborlist import neighbor_list
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from potentials import random_structure

from rm_engine.neighbors import (
    NeighborList,
    TooManyNeighborsError,
    build_neighbor_list,
    count_images,
)
from rm_engine.structure import StructureBatch

Pairs = set[tuple[int, ...]]
"""(atom, neighbour, cell offsets of the neighbour's image)."""

MIXED_PBC = [True, False, (True, False, True), (False, False, True)]


def batch_of(*structures: Atoms) -> StructureBatch:
    return StructureBatch.from_atoms(structures, dtype=torch.float64)


def pairs_by_brute_force(atoms: Atoms, cutoff: float) -> Pairs:
    """Every image that a sphere of the cutoff can hold, wherever the atoms lie."""
    cell = atoms.cell.complete().array
    fractional = atoms.positions @ np.linalg.inv(cell)
    across = np.linalg.norm(np.linalg.inv(cell), axis=0)  # cell vectors per Å
    reach = np.ceil(cutoff * across + np.ptp(fractional, axis=0)).astype(int) * atoms.pbc
    found = set()
    for offset in itertools.product(*(range(-n, n + 1) for n in reach)):
        vectors = atoms.positions[None] + np.array(offset) @ cell - atoms.positions[:, None]
        near = np.linalg.norm(vectors, axis=-1) < cutoff
        if not any(offset):
            np.fill_diagonal(near, val=False)
        found |= {(int(i), int(j), *offset) for i, j in np.argwhere(near)}
    return found


def pairs_by_ase(atoms: Atoms, cutoff: float) -> Pairs:
    i, j, offsets = neighbor_list("ijS", atoms, cutoff)
    return {(int(a), int(b), *map(int, s)) for a, b, s in zip(i, j, offsets, strict=True)}


def pairs_of(neighbors: NeighborList) -> Pairs:
    rows = torch.nonzero(neighbors.present)[:, :1]
    index, image = neighbors.index[neighbors.present], neighbors.image[neighbors.present]
    found = torch.cat([rows, index[:, None], image.round().long()], dim=1).tolist()
    pairs = {tuple(pair) for pair in found}
    assert len(pairs) == len(found), "a pair is listed twice"
    return pairs


def pairs_within(neighbors: NeighborList, batch: StructureBatch, cutoff: float) -> Pairs:
    """The pairs of a longer list that lie within the cutoff now."""
    distances = neighbors.displacements(batch, far=1e3).norm(dim=1)
    return pairs_of(NeighborList(neighbors.index, neighbors.image, neighbors.present & (distances < cutoff)))


class TestBuild:
    @pytest.mark.parametrize("cutoff", [1.0, 4.5])
    @pytest.mark.parametrize("pbc", MIXED_PBC)
    @pytest.mark.parametrize(
        ("n_atoms", "length", "skew"), [(1, 2.2, 0.0), (1, 2.2, 1.2), (3, 3.0, 1.2), (5, 5.0, 1.0), (20, 14.0, 0.8)]
    )
    def test_equals_brute_force_and_ase(
        self, n_atoms: int, length: float, skew: float, pbc: bool | tuple[bool, bool, bool], cutoff: float
    ) -> None:
        atoms = random_structure([6], n_atoms, 5, length=length, skew=skew, pbc=pbc)
        expected = pairs_by_brute_force(atoms, cutoff)
        assert pairs_by_ase(atoms, cutoff) == expected
        assert pairs_of(build_neighbor_list(batch_of(atoms), cutoff)) == expected

    @settings(max_examples=60, deadline=None)
    @given(
        seeds=st.lists(st.integers(0, 2**32 - 1), min_size=1, max_size=4),
        n_atoms=st.integers(1, 8),
        length=st.floats(2.0, 9.0),
        skew=st.floats(0.0, 1.5),
        pbc=st.tuples(st.booleans(), st.booleans(), st.booleans()),
        cutoff=st.floats(0.5, 5.5),
    )
    def test_any_batch_of_cells(
        self,
        seeds: list[int],
        n_atoms: int,
        length: float,
        skew: float,
        pbc: tuple[bool, bool, bool],
        cutoff: float,
    ) -> None:
        structures = [
            random_structure([6], 1 + (n_atoms + seed) % 8, seed, length=length, skew=skew, pbc=np.roll(pbc, seed % 3))
            for seed in seeds
        ]
        expected: Pairs = set()
        first = 0
        for atoms in structures:
            found = pairs_by_brute_force(atoms, cutoff - 1e-6)
            assume(found == pairs_by_brute_force(atoms, cutoff + 1e-6))  # a tie may be rounded either way
            expected |= {(i + first, j + first, *offset) for i, j, *offset in found}
            first += len(atoms)
        assert pairs_of(build_neighbor_list(batch_of(*structures), cutoff)) == expected

    def test_displacements_point_at_the_images(self) -> None:
        atoms = random_structure([6], 6, 11, length=4.0)
        batch = batch_of(atoms)
        neighbors = build_neighbor_list(batch, 4.0)
        vectors = neighbors.displacements(batch, far=9.0).transpose(1, 2)
        lengths = vectors.norm(dim=-1)
        i, j, expected = neighbor_list("ijD", atoms, 4.0)
        ours = np.column_stack([*np.nonzero(neighbors.present.numpy())[:1], vectors[neighbors.present].numpy()])
        theirs = np.column_stack([i, expected])
        assert ours.shape == theirs.shape
        for row in theirs:
            assert np.abs(ours - row).max(axis=1).min() < 1e-12
        assert (lengths[~neighbors.present] == 9.0).all()
        assert len(set(j)) == len(atoms)

    def test_single_precision_finds_the_same_up_to_its_rounding(self) -> None:
        atoms = random_structure([6], 8, 12, length=4.0)
        single = build_neighbor_list(StructureBatch.from_atoms([atoms]), 4.0)
        assert pairs_by_brute_force(atoms, 4.0 - 1e-4) <= pairs_of(single) <= pairs_by_brute_force(atoms, 4.0 + 1e-4)

    def test_no_atoms_no_neighbors(self) -> None:
        assert build_neighbor_list(batch_of(), 4.0).index.shape[0] == 0
        assert not build_neighbor_list(batch_of(Atoms("C"), Atoms("H")), 4.0).present.any()

    def test_images_are_counted_by_the_height_of_the_cell(self) -> None:
        """A skewed cell is thinner than its vectors are long."""
        cell = [[4, 0, 0], [12, 4, 0], [0, 0, 9]]
        atoms = Atoms("C", cell=cell, pbc=True), Atoms("C", cell=cell, pbc=(True, False, True))
        assert count_images(batch_of(*atoms), 4.5).tolist() == [[4, 2, 1], [4, 0, 1]]

    def test_a_flat_cell_is_refused_before_memory_runs_out(self) -> None:
        flat = [Atoms("C", cell=np.diag([3.0, 3.0, height]), pbc=True) for height in (1e-6, 1e-12)]
        singular = Atoms("C", cell=[[3, 0, 0], [0, 3, 0], [3, 3, 0]], pbc=True)
        dense = Atoms("C20", np.zeros((20, 3)), cell=np.diag([0.1, 0.1, 0.1]), pbc=True)
        tiny = Atoms("C", cell=np.diag([1e-9] * 3), pbc=True)
        for atoms in (*flat, singular, dense, tiny):
            with pytest.raises(TooManyNeighborsError):
                build_neighbor_list(batch_of(atoms), 4.5)

    def test_a_large_batch_is_done_in_parts(self, monkeypatch: pytest.MonkeyPatch) -> None:
        batch = batch_of(*(random_structure([6], 1 + seed % 5, seed, length=4.0) for seed in range(7)))
        whole = pairs_of(build_neighbor_list(batch, 4.5))
        monkeypatch.setattr("rm_engine.neighbors.padded.CANDIDATES_AT_ONCE", 100)
        assert pairs_of(build_neighbor_list(batch, 4.5)) == whole

    def test_a_thin_cell_is_not_cut_short(self) -> None:
        atoms = Atoms("C", cell=np.diag([9.0, 9.0, 2e-4]), pbc=True)
        neighbors = build_neighbor_list(batch_of(atoms), 4.5001)
        assert int(neighbors.present.sum()) == 2 * 22_500


def mixed_batch(seed: int) -> StructureBatch:
    return batch_of(
        random_structure([6], 4, seed, length=4.0),
        random_structure([6], 9, seed + 1, length=3.0, pbc=False),
        random_structure([6], 1, seed + 2, length=2.3),
        random_structure([6], 6, seed + 3, length=5.0, pbc=(True, True, False)),
    )


def walk(batch: StructureBatch, steps: np.ndarray, rng: np.random.Generator) -> StructureBatch:
    """Strain each cell by about steps/10, the atoms with it, then move each atom by about ``steps`` Å."""
    sizes = torch.tensor(steps)
    strain = torch.eye(3, dtype=torch.float64) + sizes[:, None, None] / 10 * torch.tensor(
        rng.uniform(-1, 1, (batch.n_structures, 3, 3))
    )
    strain[~batch.is_crystal] = torch.eye(3, dtype=torch.float64)
    carried = (batch.positions[:, None] @ strain[batch.structure_of])[:, 0]
    moves = torch.tensor(rng.uniform(-1, 1, (batch.n_atoms, 3))) * sizes[batch.structure_of, None]
    return batch.moved(carried + moves, batch.cells @ strain)


class TestReplaced:
    CUTOFF = 3.0

    @settings(max_examples=30, deadline=None)
    @given(seed=st.integers(0, 1000), stale=st.tuples(*[st.booleans()] * 4), scale=st.floats(0.7, 1.4))
    def test_replaced_equals_a_fresh_list(self, seed: int, stale: tuple[bool, ...], scale: float) -> None:
        """Denser structures have more neighbours than the table is wide, sparser ones fewer."""
        old = mixed_batch(seed)
        changed = torch.tensor(stale)
        atoms = changed[old.structure_of]
        new = old.moved(
            torch.where(atoms[:, None], scale * old.positions, old.positions),
            torch.where(changed[:, None, None], scale * old.cells, old.cells),
        )
        before = build_neighbor_list(old, self.CUTOFF)
        copies = [table.clone() for table in (before.index, before.image, before.present)]
        renewed = build_neighbor_list(new.select(changed), self.CUTOFF)
        after = before.replaced(torch.nonzero(atoms)[:, 0], renewed)
        assert pairs_of(after) == pairs_of(build_neighbor_list(new, self.CUTOFF))
        for table, copy in zip((before.index, before.image, before.present), copies, strict=True):
            assert torch.equal(table, copy)
