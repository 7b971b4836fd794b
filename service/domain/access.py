"""Who asks: the group whose jobs and structures are seen, and what may be done."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Scope(StrEnum):
    """What a key allows; none includes another."""

    READ = "read"
    WRITE = "write"
    ADMIN = "admin"
    """See what is everyone's: workers and metrics."""


PUBLIC_GROUP: Final = "public"
"""Whose everything is that was made where no keys are asked for. Its references are seen by all groups."""


@dataclass(frozen=True)
class Principal:
    """Whoever sends a request.

    Attributes:
        key_id: public part of the key; empty where none is asked for.
        group: whose jobs, structures and references are seen and added to.
        scopes: what may be done.
        max_queued_atom_steps: how much work may wait at a time; None for as much as anybody's.
    """

    key_id: str
    group: str
    scopes: frozenset[Scope]
    max_queued_atom_steps: int | None = None


ANONYMOUS: Final = Principal(key_id="", group=PUBLIC_GROUP, scopes=frozenset(Scope))
"""Whoever comes where no keys are asked for."""
