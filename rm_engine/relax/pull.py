"""Relaxation towards a property: a penalty beside the pseudo energy, whose forces pull what lies out of a range."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from rm_engine.neighbors import NeighborList, build_neighbor_list
from rm_engine.potential import CACE, Response, estimate_energies, evaluate
from rm_engine.structure import StructureBatch


@dataclass(frozen=True)
class Pull:
    """A range that a property p of structures is pulled into.

    p is the mean over the atoms of what a potential gives. With d the distance of p from the range, at most ``reach``
    of it, the penalty of n atoms is n k d²/2, and beyond the reach it goes on as a straight line (Huber): its forces
    are k d times those of the potential.

    Attributes:
        potential: gives the property times the number of atoms; it has no repulsive core.
        lowest: lower end of the range.
        highest: its upper end.
        stiffness: k, pseudo energy over the square of the property's unit.
        reach: distance from which on the pull grows no more, in the property's unit.
    """

    potential: CACE
    lowest: float
    highest: float
    stiffness: float
    reach: float

    def find_distance(self, values: Tensor) -> Tensor:
        """(n_structures,) how far these values lie above the range; below it, this is negative."""
        return values - values.clamp(self.lowest, self.highest)


def add_pulls(pulls: Sequence[Pull], response: Response, batch: StructureBatch, neighbors: NeighborList) -> Response:
    """The response with the forces and stresses of the penalties; its energies stay those of the surface.

    Args:
        pulls: what pulls.
        response: of the batch.
        batch: the structures.
        neighbors: neighbours within at least the largest cutoff of all.
    """
    forces, stresses = response.forces, response.stresses
    for pull in pulls:
        head = evaluate(pull.potential, batch, neighbors)
        distance = pull.find_distance(head.energies / batch.sizes).clamp(-pull.reach, pull.reach)
        strength = pull.stiffness * distance
        forces = forces + strength[batch.structure_of, None] * head.forces
        stresses = stresses + strength[:, None, None] * head.stresses
    return Response(response.energies, forces, stresses)


def find_penalties(pulls: Sequence[Pull], batch: StructureBatch) -> Tensor:
    """(n_structures,) what the penalties add to the pseudo energies."""
    total = batch.positions.new_zeros(batch.n_structures)
    for pull in pulls:
        neighbors = build_neighbor_list(batch, pull.potential.config.cutoff)
        distance = pull.find_distance(estimate_energies(pull.potential, batch, neighbors) / batch.sizes).abs()
        inside = distance.clamp(max=pull.reach)
        total = total + pull.stiffness * batch.sizes * inside * (distance - inside / 2)
    return total


def find_cutoff(potential: CACE, pulls: Sequence[Pull]) -> float:
    """The largest cutoff of a surface and of what pulls, Å."""
    return max([potential.config.cutoff, *(pull.potential.config.cutoff for pull in pulls)])
