"""The moves that a run asks of its relaxed structures."""

from __future__ import annotations

from itertools import chain, zip_longest

from rm_engine.search.heredity import Breeding
from rm_engine.search.moves import exchange, shake_all, shake_atoms
from rm_engine.search.walk import Move
from rm_engine.spec import GenerationSpec


def plan_moves(spec: GenerationSpec) -> list[Move]:
    """Exchanges and shakes in turn until there are no more of one, then the generations."""
    is_cell_free = spec.is_crystal and not spec.fixed_cell
    shake = shake_all if is_cell_free else shake_atoms
    turns = zip_longest([exchange] * spec.swaps, [shake] * spec.hops)
    breeding = Breeding(shake, mixes_cells=is_cell_free, pressure=spec.pressure)
    return [*filter(None, chain.from_iterable(turns)), *[breeding] * spec.generations]
