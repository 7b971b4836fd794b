"""What the service answers. Fields mean what docs/openapi.json says of them; those it may add later are let pass."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from rm_client.conversion import to_ase, to_pymatgen

if TYPE_CHECKING:
    import ase
    from pymatgen.core.structure import Structure

Item = TypeVar("Item", bound=BaseModel)
EnergyKind = Literal["pseudo", "formation"]
JobState = Literal["queued", "running", "succeeded", "failed", "cancelled"]
StartKind = Literal["references", "wyckoff", "random"]

_TERMINAL: Final = {"succeeded", "failed", "cancelled"}


class Answer(BaseModel):
    """Whatever the service answers."""

    model_config = ConfigDict(frozen=True, protected_namespaces=())


class FieldError(Answer):
    """What is wrong with one field of a request, and the way out."""

    field: str
    value: str
    reason: str
    hint: str
    code: str


class Problem(Answer):
    """A problem document (RFC 9457)."""

    type: str
    title: str
    status: int
    code: str
    detail: str
    errors: list[FieldError] = []


class Page(Answer, Generic[Item]):
    """Some items of a list, and the path of the next page."""

    items: list[Item]
    next: str | None = None


class FormulaShare(Answer):
    """A formula that a job searches."""

    formula: str
    n: int


class JobCounts(Answer):
    """Samples of a job by what became of them."""

    requested: int
    finished: int
    generated: int
    converged: int
    failed: int
    matched: int
    unique: int | None


class JobItem(Answer):
    """A job as it stood when it was asked for."""

    id: str
    state: JobState
    progress: float
    counts: JobCounts
    n_steps: int
    error: str | None
    kind: Literal["generate", "train", "opinion"]
    model: str
    spec: dict[str, Any]
    formulas: list[FormulaShare]
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    links: dict[str, str]

    @property
    def is_over(self) -> bool:
        """Whether it will not change any more."""
        return self.state in _TERMINAL


class SpaceGroup(Answer):
    """A space group."""

    number: int
    symbol: str


class MoleculeItem(Answer):
    """What the examination of a molecule found."""

    smiles: str | None
    is_connected: bool
    passes_checks: bool
    checks: dict[str, bool]


class Match(Answer):
    """A known structure that a structure is the same as; ``rms`` in units of (volume per atom)^(1/3)."""

    reference: str
    name: str
    formula: str
    rms: float


class PlainAtoms(Answer):
    """The atoms of a structure: atomic numbers; Cartesian coordinates, Å; cell vectors in rows, Å."""

    numbers: list[int]
    positions: list[list[float]]
    cell: list[list[float]]
    periodic: list[bool]


class WithAtoms(Answer):
    """What has atoms."""

    plain_atoms: PlainAtoms = Field(alias="atoms")

    @property
    def atoms(self) -> ase.Atoms:
        """The structure for ASE."""
        return to_ase(self.plain_atoms)

    @property
    def structure(self) -> Structure:
        """The crystal for pymatgen.

        Raises:
            ValueError: it is no crystal.
        """
        return to_pymatgen(self.plain_atoms)


class OpinionItem(Answer):
    """What another potential makes of a structure: energies in eV/atom, its volume in Å³ per atom."""

    potential: str
    energy_per_atom: float
    formation_energy_per_atom: float | None
    volume_per_atom: float
    is_kept: bool
    converged: bool
    n_steps: int
    job: str
    created_at: datetime


class StructureItem(Answer):
    """A structure without its atoms. Its energies are of its model, and of no use beside another's."""

    id: str
    job: str
    sample: int
    formula: str
    reduced_formula: str
    chemsys: str
    n_atoms: int
    volume_per_atom: float | None
    model: str
    model_fingerprint: str | None
    pseudo_energy_per_atom: float
    formation_energy_per_atom: float | None
    band_gap: float | None
    energy_kind: EnergyKind
    energy_above_hull: float | None
    space_group: SpaceGroup | None
    molecule: MoleculeItem | None
    opinion: OpinionItem | None
    start: StartKind
    start_origin: str | None
    converged: bool
    n_steps: int
    matches: list[Match]
    duplicate_of: str | None
    created_at: datetime
    links: dict[str, str]

    @property
    def energy_per_atom(self) -> float:
        """The energy that its model ranks by, of the kind ``energy_kind``: pseudo, or formation in eV/atom."""
        formation = self.formation_energy_per_atom
        return self.pseudo_energy_per_atom if formation is None else formation


class StructureDetail(StructureItem, WithAtoms):
    """A structure with its atoms."""


class OpinionDetail(OpinionItem, WithAtoms):
    """What another potential makes of a structure, with the atoms as it has relaxed them."""


class StructurePoints(Answer):
    """Structures in columns, all of one length."""

    id: list[str]
    model: list[str]
    reduced_formula: list[str]
    energy: list[float]
    energy_above_hull: list[float | None]
    volume_per_atom: list[float | None]
    opinion_energy: list[float | None]
    known: list[bool]
    duplicate: list[bool]
    is_complete: bool


class ModelItem(Answer):
    """A model: what it knows, what it learned from, how well."""

    name: str
    fingerprint: str | None
    boundary: Literal["crystal", "molecule"]
    elements: list[str]
    energy_kind: EnergyKind
    data: str
    own: bool
    scores: dict[str, Any]
    potential: dict[str, Any]
    links: dict[str, str]


class ModelDetail(ModelItem):
    """A model with all that is on record."""

    formation: dict[str, Any] | None
    reference_energies: dict[str, float]
    recipe: dict[str, Any]
    training: dict[str, Any]


class TrainingCurve(Answer):
    """Scores of a training in columns, a row for each epoch."""

    epoch: list[int]
    loss: list[float]
    force_rmse: list[float | None]
    validation_loss: list[float | None]
    validation_force_rmse: list[float | None]
    validation_stress_rmse: list[float | None]


class Nothing(Answer):
    """An answer without content."""


class ReferenceItem(Answer):
    """A known structure, without its atoms."""

    id: str
    name: str
    source: str
    formula: str
    chemsys: str
    n_atoms: int
    created_at: datetime
