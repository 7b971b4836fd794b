"""Fills a new database with the known crystals, in a child process.

Expanding them from their Wyckoff positions takes ASE, a second, and 60 MB, none of which the API needs for itself.
``python -m service.seeding`` is the child; the database's URL comes on its standard input, as it may hold a password.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager

from service.jobs import seed_known_crystals
from service.store import Store


@contextmanager
def seed_beside(database_url: str) -> Iterator[None]:
    """Seed the database while the context runs, and be done with it when the context ends."""
    command = [sys.executable, "-m", __name__]
    child = subprocess.Popen(command, stdin=subprocess.PIPE, text=True)  # noqa: S603  our own module
    if child.stdin is not None:
        child.stdin.write(database_url)
        child.stdin.close()
    try:
        yield
    finally:
        child.wait()


if __name__ == "__main__":
    with closing(Store(sys.stdin.read())) as store:
        seed_known_crystals(store)
