"""What passes between a worker and the store: claims, progress, results."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rm_engine.spec import GenerationSpec
from service.domain.states import ChunkKind

AtomsJson = Mapping[str, Any]
"""Atoms as :func:`rm_engine.files.to_json` writes them: numbers, positions (Å), cell (Å), periodic."""


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A worker's right to run a chunk and to record its result: the fencing token of one attempt.

    Attributes:
        chunk_id: the chunk.
        job_id: its job.
        kind: what to do.
        attempt: number of this attempt, from 1; a later claim of the same chunk has a higher one, and then nothing more
            can be recorded with this one.
        spec: the job's run.
        start: first sample of the chunk.
        stop: one past its last sample.
    """

    chunk_id: str
    job_id: str
    kind: ChunkKind
    attempt: int
    spec: GenerationSpec
    start: int
    stop: int


@dataclass(frozen=True, kw_only=True)
class Progress:
    """How far a running chunk is.

    Attributes:
        n_finished: samples that have left the batch, whatever became of them.
        n_steps: relaxation steps of the batch so far.
    """

    n_finished: int = 0
    n_steps: int = 0


@dataclass(frozen=True, kw_only=True)
class Match:
    """A structure is the same as a known one; ``rms`` is StructureMatcher's, in units of (volume per atom)^(1/3)."""

    reference_id: str
    rms: float


@dataclass(frozen=True, kw_only=True)
class GeneratedRecord:
    """What came of a sample. Its formula follows from the job's spec.

    Attributes:
        sample: index of the sample in its job.
        atoms: the relaxed structure.
        pseudo_energy_per_atom: pseudo energy per atom, in the units of the job's model.
        converged: whether the relaxation converged.
        n_steps: relaxation steps it took.
        space_group_number: 1 to 230, None for what is no crystal.
        space_group_symbol: Hermann-Mauguin symbol, None for what is no crystal.
        matches: known structures it is the same as, best first.
    """

    sample: int
    atoms: AtomsJson
    pseudo_energy_per_atom: float
    converged: bool
    n_steps: int
    space_group_number: int | None = None
    space_group_symbol: str | None = None
    matches: tuple[Match, ...] = ()


@dataclass(frozen=True, kw_only=True)
class FailedSample:
    """A sample that gave no structure, and why."""

    sample: int
    reason: str


@dataclass(frozen=True, kw_only=True)
class JobStructure:
    """A structure of a job under analysis."""

    id: str
    formula: str
    pseudo_energy_per_atom: float
    converged: bool
    atoms: AtomsJson


@dataclass(frozen=True, kw_only=True)
class HullEntry:
    """A point of a pseudo hull: formula of a crystal, and its pseudo energy per atom."""

    structure_id: str
    formula: str
    pseudo_energy_per_atom: float


@dataclass(frozen=True, kw_only=True)
class HullSystem:
    """The crystals of one model that decide the pseudo hull of one chemical system.

    Attributes:
        chemsys: the system, e.g. ``Li-S``.
        members: converged crystals with all of its elements: those whose distances to the hull are asked for.
        subsystems: the lowest crystal of each composition with only some of its elements. The model's own elemental
            energies are not among them.
    """

    chemsys: str
    members: tuple[HullEntry, ...]
    subsystems: tuple[HullEntry, ...]
