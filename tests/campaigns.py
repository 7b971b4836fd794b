"""Campaigns that tests run: other processes import them from here, as they cannot from a test module."""

from __future__ import annotations

import os
from dataclasses import dataclass

from rm_engine.errors import FileFormatError
from rm_engine.evaluation.campaign import Campaign


@dataclass(frozen=True)
class Squares(Campaign[int]):
    """Squares of the first n numbers, and who made them."""

    n: int
    power: int = 2

    @property
    def tasks(self):
        return range(self.n)

    def identify(self, task):
        return {"number": task, "power": self.power}

    def prepare(self):
        return lambda task: {"square": task**self.power, "process": os.getpid()}


@dataclass(frozen=True)
class Unprepared(Squares):
    """Cannot load what it needs."""

    def prepare(self):
        raise FileFormatError("known.cif", "no structure in it", 3)
