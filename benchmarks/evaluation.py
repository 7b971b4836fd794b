"""Energy, forces and stress of one batch: atoms in a second of one core."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch

from benchmarks.plain import respond_plainly
from benchmarks.report import Row
from benchmarks.structures import make_crystals_of_32_neighbors
from benchmarks.timing import take_turns, use_one_core
from rm_engine import load_model
from rm_engine.neighbors import NeighborList, build_neighbor_list
from rm_engine.potential import evaluate
from rm_engine.relax import RelaxationConfig
from rm_engine.structure import StructureBatch

_GOAL = 60_000


def run(n_structures: int = 40, n_repeats: int = 10, n_rounds: int = 9) -> Iterator[Row]:
    """Time our evaluation and the plain one on the same crystals in turn.

    Args:
        n_structures: crystals of 16 atoms.
        n_repeats: evaluations in a measurement.
        n_rounds: measurements of each.
    """
    use_one_core()
    potential = load_model("mp20", device="cpu").potential
    batch = StructureBatch.from_atoms(make_crystals_of_32_neighbors(n_structures))
    cutoff = potential.config.cutoff
    exact, skinned = (build_neighbor_list(batch, reach) for reach in (cutoff, cutoff + RelaxationConfig().skin))
    if not bool((exact.present.sum(dim=1) == 32).all()):
        raise ValueError("Not every atom has 32 neighbours.")

    def repeat(respond: Callable[..., object], neighbors: NeighborList) -> Callable[[], None]:
        def action() -> None:
            for _ in range(n_repeats):
                respond(potential, batch, neighbors)

        return action

    seconds = take_turns(
        {
            "ours": repeat(evaluate, exact),
            "ours with a skin": repeat(evaluate, skinned),
            "plain": repeat(respond_plainly, exact),
        },
        n_rounds,
    )
    speeds = {name: [n_repeats * batch.n_atoms / second for second in column] for name, column in seconds.items()}
    what = f"energy, forces and stress, mp20, {batch.n_atoms} atoms at 32 neighbours"
    how = (
        f"float32, one core, {n_structures} crystals of 16 atoms with exactly 32 neighbours within the cutoff (rock "
        f"salt of 1.89 Å, strained and shaken), `rm_engine.potential.evaluate`, {n_repeats} evaluations a run"
    )
    yield Row.of(speeds["ours"], name=what, goal=_GOAL, unit="atoms/s", at_least=True, note=how)
    width = int(skinned.present.sum(dim=1).to(torch.float64).mean())
    note = f"the same with the list that a relaxation keeps: {width} neighbours on average within cutoff and skin"
    yield Row.of(
        speeds["ours with a skin"],
        name=f"{what}, list with a skin",
        goal=None,
        unit="atoms/s",
        at_least=True,
        note=note,
    )
    note = "the same potential by `torch.autograd.grad` through positions and strain, in turn with the above"
    yield Row.of(speeds["plain"], name=f"{what}, plain autograd", goal=None, unit="atoms/s", at_least=True, note=note)
