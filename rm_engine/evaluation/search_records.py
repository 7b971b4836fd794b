"""What a search for one target gave: all that scores are computed from, as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self


@dataclass(frozen=True, kw_only=True)
class SampleRecord:
    """One structure that a search proposed.

    Attributes:
        sample: number of the sample.
        start: kind of its start.
        start_origin: what the start was made from, None for random ones.
        pseudo_energy_per_atom: pseudo units.
        formation_energy_per_atom: eV/atom, estimated by the model; None from models that do not.
        converged: whether the relaxation converged.
        n_steps: its steps.
        matches: root mean square displacement, in units of (volume per atom)^(1/3), from each known structure that it
            matches, by name.
    """

    sample: int
    start: str
    start_origin: str | None = None
    pseudo_energy_per_atom: float
    formation_energy_per_atom: float | None = None
    converged: bool
    n_steps: int
    matches: Mapping[str, float]

    @property
    def ranking_energy(self) -> float:
        """What the model ranks by: the formation energy where it estimates one, else the pseudo energy."""
        formation = self.formation_energy_per_atom
        return self.pseudo_energy_per_atom if formation is None else formation


@dataclass(frozen=True, kw_only=True)
class SearchRecord:
    """What a search for one target gave.

    Attributes:
        configuration: label of the model and the starts.
        target: name of the target.
        label: what tables call it.
        reduced_formula: e.g. ``LiS2``.
        n_atoms: number of atoms in its cell.
        polymorphs: names of the other known structures of its reduced formula.
        seed: seed of the search.
        n_samples: number of samples asked for.
        samples: the structures found, in the order of their samples.
        reason: why there is no structure at all, where the model cannot answer; else None.
        n_references_left_out: references that match the target and so were kept from the search.
        cpu_seconds: processor time of the search, without the comparison with known structures.
    """

    configuration: str
    target: str
    label: str
    reduced_formula: str
    n_atoms: int
    polymorphs: tuple[str, ...]
    seed: int
    n_samples: int
    samples: tuple[SampleRecord, ...]
    reason: str | None = None
    n_references_left_out: int = 0
    cpu_seconds: float

    @property
    def hits(self) -> list[SampleRecord]:
        """The samples that match the target."""
        return [sample for sample in self.samples if self.target in sample.matches]

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON; :meth:`from_json` is the inverse."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """The record stored by :meth:`to_json`."""
        samples = tuple(SampleRecord(**sample) for sample in data["samples"])
        return cls(**{**data, "samples": samples, "polymorphs": tuple(data["polymorphs"])})
