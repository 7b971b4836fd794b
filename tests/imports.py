"""What tests of imports share: the command, and what it says at the end."""

from __future__ import annotations

from collections.abc import Callable

from typer.testing import Result

from service.domain import Reference

Command = Callable[..., Result]
"""``rmatch references`` with arguments; its errors are in ``exception``."""
Stored = Callable[[], dict[str, Reference]]
"""The known structures, by name."""


def summary(new: int, known: int = 0, skipped: int = 0, unreadable: int = 0) -> str:
    read = new + known + skipped + unreadable
    counts = f"{new:,} new, {known:,} known before, {skipped:,} skipped, {unreadable:,} unreadable"
    return f"{read:,} structures read: {counts}.\n"
