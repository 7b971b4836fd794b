"""What passes between a worker and the store: claims, progress, results."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from rm_engine.spec import GenerationSpec, ModelSpec, OpinionSpec
from rm_engine.spec.cell import determinant
from service.domain.molecules import MoleculeRecord
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
        start: first sample of the chunk, of a training its first epoch, of opinions the first structure.
        stop: one past the last.
        submitted_at: when the job was submitted: what was not known by then takes no part in it, so that a repeated
            chunk gives the same structures.
        group: whose job it is: what the results are compared with, and the hulls that they change, are of that group.
        request_id: of the request that submitted it, for the logs.
    """

    chunk_id: str
    job_id: str
    kind: ChunkKind
    attempt: int
    start: int
    stop: int
    submitted_at: datetime
    group: str
    request_id: str


@dataclass(frozen=True, kw_only=True)
class GenerationClaim(Claim):
    """A claim on a chunk of a generation; ``spec`` is the job's run."""

    spec: GenerationSpec


@dataclass(frozen=True, kw_only=True)
class TrainingClaim(Claim):
    """A claim on a training; ``spec`` says what model is made."""

    spec: ModelSpec


@dataclass(frozen=True, kw_only=True)
class OpinionClaim(Claim):
    """A claim on a chunk of structures that another potential is asked about; ``spec`` says which."""

    spec: OpinionSpec


JobClaim = GenerationClaim | TrainingClaim | OpinionClaim
"""A claim with what its job is about."""


@dataclass(frozen=True, kw_only=True)
class Progress:
    """How far a running chunk is.

    Attributes:
        n_finished: samples that have left the batch, whatever became of them; epochs of a training.
        n_steps: relaxation steps of the batch so far; steps of a training.
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
        model_fingerprint: which weights made it, see :func:`rm_engine.spec.read_fingerprint`.
        start: kind of the start it was relaxed from, see :class:`rm_engine.search.GeneratedStructure`.
        start_origin: what that start was made of, e.g. the id of a reference; None for a random one.
        pseudo_energy_per_atom: pseudo energy per atom, in the units of the job's model.
        formation_energy_per_atom: the model's estimate, eV/atom; None where it gives none.
        band_gap: an estimate, eV; None where there is none.
        converged: whether the relaxation converged.
        n_steps: relaxation steps it took.
        space_group_number: 1 to 230, None for what is no crystal.
        space_group_symbol: Hermann-Mauguin symbol, None for what is no crystal.
        matches: known structures it is the same as, best first.
        molecule: what its examination found, None for what is no molecule.
    """

    sample: int
    atoms: AtomsJson
    model_fingerprint: str
    start: str
    start_origin: str | None = None
    pseudo_energy_per_atom: float
    formation_energy_per_atom: float | None = None
    band_gap: float | None = None
    converged: bool
    n_steps: int
    space_group_number: int | None = None
    space_group_symbol: str | None = None
    matches: tuple[Match, ...] = ()
    molecule: MoleculeRecord | None = None

    @property
    def volume_per_atom(self) -> float | None:
        """Å³; None for what is no crystal."""
        is_crystal = all(self.atoms["periodic"])
        return abs(determinant(self.atoms["cell"])) / len(self.atoms["numbers"]) if is_crystal else None

    @property
    def ranking_energy(self) -> float:
        """What structures are sorted and hulls are made by: the formation energy where there is one."""
        if self.formation_energy_per_atom is not None:
            return self.formation_energy_per_atom
        return self.pseudo_energy_per_atom


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
    ranking_energy: float
    converged: bool
    atoms: AtomsJson


HULL_RESOLUTION: Final = 1e-9
"""Energy per atom by which two energies of a hull must differ to be two."""


@dataclass(frozen=True, kw_only=True)
class HullEntry:
    """What is stored of one composition: the converged crystals of one model.

    Attributes:
        reduced_formula: the composition.
        lowest_energy: of its crystals, per atom, of the kind that the model ranks by.
        hull_energy: of the hull at this composition, as the stored distances have it; None where there are none yet.
        is_measured: whether every crystal has its distance.
    """

    reduced_formula: str
    lowest_energy: float
    hull_energy: float | None
    is_measured: bool

    @property
    def is_below_hull(self) -> bool:
        """Whether the lowest crystal may lower the hull: it lies below the stored one, or has not been measured."""
        return self.is_lowered_to(self.lowest_energy)

    def is_lowered_to(self, energy: float) -> bool:
        """Whether a hull of that energy, per atom, is lower here than the stored one, or the first."""
        return self.hull_energy is None or energy < self.hull_energy - HULL_RESOLUTION


@dataclass(frozen=True, kw_only=True)
class HullSystem:
    """The compositions that decide the hull of one chemical system.

    Attributes:
        chemsys: the system, e.g. ``Li-S``.
        members: those with all of its elements, whose distances to the hull are asked for.
        subsystems: those with only some of its elements. The model's own energies of the elements are not among them.
    """

    chemsys: str
    members: tuple[HullEntry, ...]
    subsystems: tuple[HullEntry, ...]
