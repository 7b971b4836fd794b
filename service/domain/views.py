"""What users see of jobs, structures and references."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Generic, TypeVar

from rm_engine.spec.card import EnergyKind
from service.domain.chunks import AtomsJson
from service.domain.filters import ALL_STRUCTURES, Filter
from service.domain.molecules import MoleculeRecord
from service.domain.opinions import OpinionView
from service.domain.states import JobState

Item = TypeVar("Item")


@dataclass(frozen=True)
class Page(Generic[Item]):
    """Some items of a list, and the key of the last one where there are more.

    Attributes:
        items: in the order of the list.
        next_key: what the next page begins after; None on the last page.
    """

    items: list[Item]
    next_key: list[Any] | None


@dataclass(frozen=True, kw_only=True)
class JobCounts:
    """Samples of a job by what became of them. All but ``finished`` count what is stored."""

    requested: int
    """Samples asked for."""
    finished: int
    """Samples that are done with, those of running chunks included."""
    generated: int
    """Structures stored."""
    converged: int
    """Structures whose relaxation converged."""
    failed: int
    """Samples that gave no structure."""
    matched: int
    """Structures that are the same as a known one."""
    unique: int | None
    """Structures that are no duplicates; null until the job has succeeded."""


@dataclass(frozen=True, kw_only=True)
class JobView:
    """A job.

    Attributes:
        id: id.
        state: where it stands.
        spec: the run, as :meth:`rm_engine.spec.GenerationSpec.to_json` gives it.
        error: why it failed.
        created_at: when it was submitted.
        started_at: when a worker first took a chunk of it.
        finished_at: when it came to its end.
        counts: what became of its samples.
        progress: from 0 to 1; 1 once it has succeeded.
        n_steps: relaxation steps so far of the chunks that run now.
    """

    id: str
    state: JobState
    spec: Mapping[str, Any]
    error: str | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    counts: JobCounts
    progress: float
    n_steps: int


JobPulse = tuple[Any, ...]
"""Equal for two views of a job that are equal."""


@dataclass(frozen=True, kw_only=True)
class MatchView:
    """A known structure that a structure is the same as."""

    reference: str
    """Id of the known structure."""
    name: str
    """What people call it."""
    formula: str
    """Of its whole cell."""
    rms: float
    """Root mean square distance of the atoms, in units of (volume per atom)^(1/3)."""


@dataclass(frozen=True, kw_only=True)
class StructureView:
    """A structure, without its atoms in lists; see :class:`service.domain.GeneratedRecord` for what was recorded.

    Energies are of the model of that name and fingerprint.
    """

    id: str
    job_id: str
    sample: int
    model: str
    model_fingerprint: str | None
    start: str
    start_origin: str | None
    formula: str
    reduced_formula: str
    chemsys: str
    n_atoms: int
    n_periodic: int | None
    volume_per_atom: float | None
    pseudo_energy_per_atom: float
    formation_energy_per_atom: float | None
    band_gap: float | None
    ranking_energy: float
    energy_above_hull: float | None
    converged: bool
    n_steps: int
    space_group_number: int | None
    space_group_symbol: str | None
    representative_id: str | None
    created_at: datetime
    matches: tuple[MatchView, ...] = ()
    molecule: MoleculeRecord | None = None
    opinion: OpinionView | None = None
    atoms: AtomsJson | None = None

    @property
    def is_molecule(self) -> bool:
        """Whether nothing of it is periodic; asked of a view with atoms."""
        return self.atoms is not None and not any(self.atoms["periodic"])

    @property
    def energy_kind(self) -> EnergyKind:
        """Which energy the model ranks by: orders by energy and distances to the hull are of this kind."""
        return "pseudo" if self.formation_energy_per_atom is None else "formation"

    @property
    def duplicate_of(self) -> str | None:
        """Id of the structure that this one is a duplicate of; None for the first of its kind."""
        return None if self.representative_id == self.id else self.representative_id


@dataclass(frozen=True, kw_only=True)
class ReferenceView:
    """A known structure, without its atoms."""

    id: str
    """Hash of its atoms, and of the group where not everyone sees it."""
    name: str
    """What people call it."""
    source: str
    """Where it comes from: a citation, a file name."""
    formula: str
    """Of the whole cell."""
    chemsys: str
    """Its elements in alphabetical order, with hyphens."""
    n_atoms: int
    """In the cell."""
    created_at: datetime
    """When it was added."""


class StructureOrder(StrEnum):
    """What lists of structures may be sorted by."""

    ENERGY = "energy"
    ENERGY_ABOVE_HULL = "energy_above_hull"
    CREATED = "created"


class StructureKind(StrEnum):
    """What a structure is beside known ones and those of its job; what is not analysed yet counts as no duplicate."""

    KNOWN = "known"
    NEW = "new"
    DISTINCT = "distinct"
    """Known or new."""
    DUPLICATE = "duplicate"


@dataclass(frozen=True, kw_only=True)
class StructureQuery:
    """Which structures to list, and in which order; None does not filter.

    Attributes:
        group: whose structures.
        reduced_formula: composition, reduced.
        chemsys: exactly these elements, e.g. ``Li-S``.
        elements: at least these elements.
        job: id of the job.
        model: name of the model.
        model_fingerprint: which weights made it.
        start: kind of the start.
        smiles: canonical SMILES, as stored.
        passes_checks: a molecule that passes all its checks, or one that does not.
        converged: whether the relaxation converged.
        unique: no duplicates (or only duplicates); structures not analysed yet are neither.
        matched: the same as a known structure, or not.
        kind: known, new, one of the two, or a duplicate.
        energy_above_hull_max: largest energy above the hull, per atom.
        opinion_job: id of a job that asked another potential about it.
        band_gap_min: smallest estimate of the band gap, eV.
        band_gap_max: largest.
        on_hull: on the hull of its chemical system, or above it.
        where: further conditions.
        order: what to sort by.
        descending: largest first.
        after: key of the last item of the page before.
        limit: length of a page.
    """

    group: str
    reduced_formula: str | None = None
    chemsys: str | None = None
    elements: tuple[str, ...] = field(default=())
    job: str | None = None
    model: str | None = None
    model_fingerprint: str | None = None
    start: str | None = None
    smiles: str | None = None
    passes_checks: bool | None = None
    converged: bool | None = None
    unique: bool | None = None
    matched: bool | None = None
    kind: StructureKind | None = None
    energy_above_hull_max: float | None = None
    opinion_job: str | None = None
    band_gap_min: float | None = None
    band_gap_max: float | None = None
    on_hull: bool | None = None
    where: Filter = ALL_STRUCTURES
    order: StructureOrder = StructureOrder.CREATED
    descending: bool = True
    after: tuple[Any, ...] | None = None
    limit: int = 50
