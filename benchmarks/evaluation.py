"""Energy, forces and stress of one batch: atoms in a second of one core."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from benchmarks.plain import respond_plainly
from benchmarks.report import Row
from benchmarks.subjects import load, make_crystals_of_32_neighbors, without_compiler
from benchmarks.timing import take_turns, use_one_core
from rm_engine.neighbors import NeighborList, build_neighbor_list
from rm_engine.potential import evaluate
from rm_engine.relax import RelaxationConfig
from rm_engine.structure import StructureBatch


def run(n_structures: int = 40, n_repeats: int = 10, n_rounds: int = 9) -> Iterator[Row]:
    """Time our evaluation and the plain one on the same crystals in turn.

    Args:
        n_structures: crystals of 16 atoms.
        n_repeats: evaluations in a measurement.
        n_rounds: measurements of each.
    """
    use_one_core()
    potential = load("mp20").potential
    batch = StructureBatch.from_atoms(make_crystals_of_32_neighbors(n_structures))
    cutoff = potential.config.cutoff
    exact, skinned = (build_neighbor_list(batch, reach) for reach in (cutoff, cutoff + RelaxationConfig().skin))
    if not bool((exact.present.sum(dim=1) == 32).all()):
        raise ValueError("Not every atom has 32 neighbours.")

    def repeat(respond: Callable[..., object], neighbors: NeighborList) -> None:
        for _ in range(n_repeats):
            respond(potential, batch, neighbors)

    def evaluate_uncompiled() -> None:
        with without_compiler():
            repeat(evaluate, exact)

    seconds = take_turns(
        {
            "ours": lambda: repeat(evaluate, exact),
            "skin": lambda: repeat(evaluate, skinned),
            "uncompiled": evaluate_uncompiled,
            "plain": lambda: repeat(respond_plainly, exact),
        },
        n_rounds,
    )
    width = float(skinned.present.sum(dim=1).double().mean())
    for way, (title, goal, note) in {
        "ours": (
            "",
            60_000,
            f"float32, one core, {n_structures} crystals of 16 atoms with exactly 32 neighbours within the cutoff "
            "(rock salt of 1.89 Å, strained and shaken), "
            f"`rm_engine.potential.evaluate`, {n_repeats} evaluations a run",
        ),
        "skin": (", list with a skin", None, f"the list reaches as far as a relaxation's: {width:.0f} entries an atom"),
        "uncompiled": (", without a compiler", None, "the same function where no kernel can be compiled"),
        "plain": (
            ", plain autograd",
            None,
            "the same potential by `torch.autograd.grad` through positions and strain, without the repulsive core",
        ),
    }.items():
        yield Row.of(
            (n_repeats * batch.n_atoms / second for second in seconds[way]),
            name=f"energy, forces and stress, mp20, {batch.n_atoms} atoms at 32 neighbours{title}",
            goal=goal,
            unit="atoms/s",
            at_least=True,
            note=note,
        )
