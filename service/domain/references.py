"""Known structures, with which results are compared."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from typing import Self

from rm_engine.spec import Formula
from rm_engine.units import SYMBOLS
from service.domain.access import PUBLIC_GROUP
from service.domain.chunks import AtomsJson


@dataclass(frozen=True, kw_only=True)
class Reference:
    """A known structure.

    Attributes:
        name: what people call it, e.g. ``lithium sulphide, antifluorite``.
        atoms: the structure.
        source: where it comes from: a citation, a file name.
        group: who sees it; everyone, if it is the public one.
    """

    name: str
    atoms: AtomsJson
    source: str = ""
    group: str = PUBLIC_GROUP

    @classmethod
    def stored(cls, *, id: str, name: str, atoms: AtomsJson, source: str) -> Self:  # noqa: A002  # as the column
        """One from the database, whose ``id`` was found when it was added."""
        reference = cls(name=name, atoms=atoms, source=source)
        vars(reference)["id"] = id
        return reference

    @cached_property
    def formula(self) -> Formula:
        """The formula of the whole cell, symbols in alphabetical order."""
        counts = Counter(SYMBOLS[number] for number in self.atoms["numbers"])
        return Formula(tuple(sorted(counts.items())))

    @cached_property
    def id(self) -> str:
        """Hash of group and atoms: the same structure is stored once in a group, however often it is added."""
        return self.public_id if self.group == PUBLIC_GROUP else _hash(f"{self.group} {self.public_id}")

    @cached_property
    def public_id(self) -> str:
        """Its id where everyone sees it: hash of the atoms, lengths to 1e-6 Å."""
        atoms = self.atoms
        lengths = [[round(x, 6) + 0.0 for x in row] for row in (*atoms["cell"], *atoms["positions"])]  # + 0.0: no -0.0
        content = json.dumps([atoms["numbers"], lengths, atoms["periodic"]], separators=(",", ":"))
        return _hash(content)


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:24]
