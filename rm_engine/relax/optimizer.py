"""What moves structures down: one interface, many structures at once."""

from __future__ import annotations

from typing import Any, ClassVar, Protocol

from torch import Tensor

from rm_engine.relax.state import RelaxationState
from rm_engine.structure import StructureBatch


class Optimizer(Protocol):
    """The constants of an algorithm, and its step. All that it remembers is in the state, structure by structure, so
    that structures may come and go.
    """

    __dataclass_fields__: ClassVar[dict[str, Any]]

    def begin(self, batch: StructureBatch, origin: Tensor) -> RelaxationState:
        """Structures before their first step.

        Args:
            batch: where they are.
            origin: (n_structures,) rows in the batch that was given to relax.
        """

    def step(self, state: RelaxationState, forces: Tensor) -> RelaxationState:
        """The structures one step further.

        Args:
            state: where they are, and what is remembered of each.
            forces: (n_rows, 3) on ``state.coordinates``.
        """
