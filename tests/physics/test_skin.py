"""Neighbour lists with a skin: nothing within the cutoff is missed, whatever moved, came or left."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from ase import Atoms
from potentials import random_structure

from rm_engine.neighbors import NeighborList, build_neighbor_list
from rm_engine.relax.skin import SkinnedNeighbors
from rm_engine.relax.state import RelaxationState
from rm_engine.structure import StructureBatch

CUTOFF = 3.0


def state_of(*structures: Atoms) -> RelaxationState:
    batch = StructureBatch.from_atoms(structures, dtype=torch.float64)
    return RelaxationState.at_rest(batch, torch.arange(len(structures)), time_step=0.1, mixing=0.1)


def mixed_state(seed: int) -> RelaxationState:
    return state_of(
        random_structure([6], 4, seed, length=4.0),
        random_structure([6], 9, seed + 1, length=3.0, pbc=False),
        random_structure([6], 1, seed + 2, length=2.3),
        random_structure([6], 6, seed + 3, length=5.0, pbc=(True, True, False)),
    )


def everyone(state: RelaxationState) -> torch.Tensor:
    return torch.ones(state.n_structures, dtype=torch.bool)


def lists_of(state: RelaxationState, skin: float) -> SkinnedNeighbors:
    lists = SkinnedNeighbors.none(state.reference, CUTOFF, skin)
    assert lists.is_due(state).all(), "there are no lists yet"
    return lists.renewed(everyone(state), state)


def moved(state: RelaxationState, steps: np.ndarray, rng: np.random.Generator) -> RelaxationState:
    """Each atom by up to its structure's step (Å) along each axis; crystals' deformations by up to a tenth of it."""
    sizes = torch.tensor(steps)[state.structure_of_row, None]
    change = sizes * torch.tensor(rng.uniform(-1, 1, state.coordinates.shape))
    of_cells = state.reference.sizes * state.reference.is_crystal / 10
    change[state.reference.n_atoms :] *= of_cells.repeat_interleave(3)[:, None]
    return replace(state, coordinates=state.coordinates + change)


def distances_within(neighbors: NeighborList, batch: StructureBatch) -> list[list[float]]:
    """Of each atom, ascending."""
    distances = neighbors.displacements(batch, far=1e3).norm(dim=1)
    return [sorted(row[row < CUTOFF].tolist()) for row in distances]


def assert_complete(lists: SkinnedNeighbors, state: RelaxationState, chosen: torch.Tensor) -> None:
    ours = distances_within(lists.list, state.structures)
    theirs = distances_within(build_neighbor_list(state.structures, CUTOFF), state.structures)
    for atom in torch.nonzero(chosen[state.reference.structure_of])[:, 0].tolist():
        assert ours[atom] == pytest.approx(theirs[atom], abs=1e-9)


class TestSkin:
    def test_no_pair_is_missed_before_the_list_is_due(self) -> None:
        """Random walks, each structure at its own pace; a fresh list is the judge at every step."""
        rng = np.random.default_rng(0)
        n_due = n_valid = 0
        for seed in range(10, 18):
            state = mixed_state(seed)
            lists = lists_of(state, 0.6)
            for _ in range(12):
                state = moved(state, rng.choice([0.0, 0.03, 0.15], 4), rng)
                due = lists.is_due(state)
                assert_complete(lists, state, ~due)
                if due.any():
                    lists = lists.renewed(due, state)
                assert not lists.is_due(state).any()
                assert_complete(lists, state, everyone(state))
                n_due, n_valid = n_due + int(due.sum()), n_valid + int((~due).sum())
        assert n_due > 40
        assert n_valid > 80

    @pytest.mark.parametrize(("share", "is_due"), [(0.499, False), (0.501, True)])
    def test_two_atoms_that_head_for_each_other_share_the_skin(self, share: float, is_due: bool) -> None:
        skin = 0.5
        state = state_of(Atoms("C2", [[0, 0, 0], [CUTOFF + skin, 0, 0]]))
        coordinates = state.coordinates.clone()
        coordinates[0, 0] += share * skin
        coordinates[1, 0] -= share * skin
        assert lists_of(state, skin).is_due(replace(state, coordinates=coordinates)).tolist() == [is_due]

    def test_what_is_no_number_is_due(self) -> None:
        state = mixed_state(0)
        lists = lists_of(state, 0.5)
        coordinates = state.coordinates.clone()
        coordinates[0] = torch.nan
        assert lists.is_due(replace(state, coordinates=coordinates)).tolist() == [True, False, False, False]

    def test_some_leave_and_others_come(self) -> None:
        state, newcomers = mixed_state(3), mixed_state(7)
        staying = torch.tensor([True, False, True, True])
        lists = lists_of(state, 0.5).select(staying, state.reference).joined(newcomers.reference)
        state = state.select(staying).joined(newcomers)
        due = lists.is_due(state)
        assert due.tolist() == [False] * 3 + [True] * 4
        assert_complete(lists, state, ~due)
        assert_complete(lists.renewed(due, state), state, everyone(state))
