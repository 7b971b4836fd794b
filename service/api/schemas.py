"""What answers look like."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field

from rm_engine.spec import GenerationSpec, ModelCard, OpinionSpec, StartKind
from rm_engine.spec.card import EnergyKind
from service.domain import JobState, OpinionView, StoredModel, read_job_spec
from service.domain.views import JobCounts, JobView, MatchView, ReferenceView, StructureView

Id = Annotated[str, Field(description="Its name in paths, and in other answers.")]
Links = Annotated[dict[str, str], Field(description="Paths of what belongs to it, by what it is.")]
Next = Annotated[str | None, Field(description="Path and query of the next page; null on the last.")]
CreatedAt = Annotated[datetime, Field(description="When it was stored.")]

_OF_VIEWS: Final = ConfigDict(use_attribute_docstrings=True)
"""For what holds views of the domain, which say of themselves what is in them."""


class FormulaShare(BaseModel):
    """A formula that a job searches."""

    formula: str = Field(description="Reduced.", examples=["Li2S"])
    n: int = Field(description="Structures asked for of this formula: samples follow one another by formula.")


class JobItem(BaseModel):
    """A job."""

    model_config = _OF_VIEWS

    id: Id
    state: JobState = Field(description="The last three are final.")
    progress: float = Field(description="From 0 to 1.")
    counts: JobCounts = Field(description="Its samples by what became of them.")
    n_steps: int = Field(description="Relaxation steps so far of what runs now.")
    error: str | None = Field(description="Why the job failed.")
    kind: Literal["generate", "train", "opinion"] = Field(
        description="What it makes: structures, a model, or opinions of structures."
    )
    model: str = Field(
        description="Name of the model that is asked, or that is trained, or that made the structures asked about; "
        "empty where these are of several."
    )
    spec: dict[str, Any] = Field(description="The run, with the seed and every default that was taken.")
    formulas: list[FormulaShare] = Field(
        description="The formulas that are searched: one, or those of the chemical system, the likeliest first. Empty "
        "for other kinds of job."
    )
    created_at: CreatedAt
    started_at: datetime | None = Field(description="When a worker first took a part of it.")
    finished_at: datetime | None = Field(description="When it came to its end, whichever that was.")
    links: Links

    @classmethod
    def of(cls, view: JobView) -> JobItem:
        """The answer for a job."""
        spec = read_job_spec(view.spec)
        path = f"/jobs/{view.id}"
        told: dict[str, Any]
        if isinstance(spec, GenerationSpec):
            formulas = [FormulaShare(formula=part.formula.reduced, n=part.n) for part in spec.parts]
            links = {"self": path, "structures": f"/structures?job={view.id}"}
            told = {"kind": "generate", "model": spec.model, "formulas": formulas, "links": links}
        elif isinstance(spec, OpinionSpec):
            links = {"self": path, "structures": f"/structures?opinion_job={view.id}"}
            told = {"kind": "opinion", "model": spec.model, "formulas": [], "links": links}
        else:
            links = {"self": path, "curve": f"{path}/curve", "model": f"/models/{spec.name}"}
            told = {"kind": "train", "model": spec.name, "formulas": [], "links": links}
        return cls.model_validate({**vars(view), "spec": asdict(spec), **told})


class SpaceGroup(BaseModel):
    """A space group."""

    number: int = Field(description="As the International Tables count them, from 1 to 230.")
    symbol: str = Field(description="The short Hermann-Mauguin symbol.")


class MoleculeItem(BaseModel):
    """What the examination of a molecule found."""

    smiles: str | None = Field(
        description="Canonical SMILES; null where no bonds could be perceived.", examples=["CCO"]
    )
    is_connected: bool = Field(description="All atoms are one molecule.")
    passes_checks: bool = Field(description="It passes every check.")
    checks: dict[str, bool] = Field(
        description="The PoseBusters checks by name; one that could not be made, as an earlier one failed, has failed."
    )


class Atoms(BaseModel):
    """The atoms of a structure."""

    numbers: list[int] = Field(description="Atomic number of each atom.")
    positions: list[list[float]] = Field(description="Cartesian coordinates of each atom, Å.")
    cell: list[list[float]] = Field(description="The cell, a vector per row, Å; zeros where there is none.")
    periodic: list[bool] = Field(description="Whether the structure repeats along each of the cell vectors.")


class OpinionItem(BaseModel):
    """What another potential, which learned from density functional theory, makes of a structure."""

    model_config = _OF_VIEWS

    potential: str = Field(description="Which one, with its version.", examples=["CHGNet 0.3.0"])
    energy_per_atom: float = Field(description="After relaxation on its surface, eV/atom.")
    formation_energy_per_atom: float | None = Field(
        description="The same against the elements, eV/atom; null where the energy of one is not known."
    )
    volume_per_atom: float = Field(description="Å³.")
    is_kept: bool = Field(description="Whether it is still the same structure after that relaxation.")
    converged: bool = Field(description="Whether that relaxation converged.")
    n_steps: int = Field(description="Its steps.")
    job: str = Field(description="The job that asked.")
    created_at: CreatedAt

    @classmethod
    def of(cls, view: OpinionView) -> Self:
        """The answer for an opinion."""
        return cls.model_validate({**vars(view), "job": view.job_id})


class OpinionDetail(OpinionItem):
    """What another potential makes of a structure, with the atoms."""

    atoms: Atoms = Field(description="As they are after relaxation on its surface.")


class StructureItem(BaseModel):
    """A structure as lists show it. Energies are those of the model named, and of no use beside another's."""

    model_config = _OF_VIEWS

    id: Id
    job: str = Field(description="Id of the job that found it.")
    sample: int = Field(description="Its number in the job, from 0.")
    formula: str = Field(description="Of all atoms of the cell or molecule.")
    reduced_formula: str = Field(description="Divided by the greatest common divisor.")
    chemsys: str = Field(description="Its elements in alphabetical order, with hyphens.")
    n_atoms: int = Field(description="In the cell or molecule.")
    volume_per_atom: float | None = Field(description="Å³; null for what is no crystal.")
    model: str = Field(description="Name of the model that relaxed it.")
    model_fingerprint: str | None = Field(
        description="Short hash of the model: another one, where it was trained again under the same name."
    )
    pseudo_energy_per_atom: float = Field(description="On the pseudo energy surface; no unit, and no real energy.")
    formation_energy_per_atom: float | None = Field(
        description="Estimate of the formation energy, eV/atom; null where the model makes none."
    )
    band_gap: float | None = Field(
        description="Estimate of the band gap as PBE gives it, eV; null for what is no crystal of elements that the "
        "estimate has learned."
    )
    energy_kind: EnergyKind = Field(
        description="Which of the two ranks this model's structures: `sort=energy` and `energy_above_hull` are of it."
    )
    energy_above_hull: float | None = Field(
        description="Per atom, of the kind `energy_kind`; null until analysed, and for no converged crystal."
    )
    space_group: SpaceGroup | None = Field(description="Null for what is no crystal, and where none was found.")
    molecule: MoleculeItem | None = Field(description="Null for what is no molecule.")
    opinion: OpinionItem | None = Field(description="Null where no other potential was asked, see POST /opinions.")
    start: StartKind = Field(
        description="What it was relaxed from: a known crystal with other elements, Wyckoff positions, a random cell."
    )
    start_origin: str | None = Field(
        description="Id of the reference, or space group and Wyckoff letters. A structure that matches the very "
        "reference it started from is no discovery."
    )
    converged: bool = Field(description="Whether the largest force fell below `fmax`.")
    n_steps: int = Field(description="Relaxation steps that were taken.")
    matches: list[MatchView] = Field(description="Known structures it is the same as, best first.")
    duplicate_of: str | None = Field(description="The structure of the same job that it repeats.")
    created_at: CreatedAt
    links: Links

    @classmethod
    def of(cls, view: StructureView) -> Self:
        """The answer for a structure."""
        number, symbol = view.space_group_number, view.space_group_symbol
        space_group = None if number is None else SpaceGroup(number=number, symbol=symbol or "")
        derived = {
            "job": view.job_id,
            "energy_kind": view.energy_kind,
            "space_group": space_group,
            "molecule": view.molecule and vars(view.molecule),
            "matches": view.matches,
            "opinion": view.opinion and OpinionItem.of(view.opinion),
            "duplicate_of": view.duplicate_of,
            "links": {"self": f"/structures/{view.id}", "job": f"/jobs/{view.job_id}"},
        }
        return cls.model_validate({**vars(view), **derived})


class StructureDetail(StructureItem):
    """A structure with its atoms."""

    atoms: Atoms = Field(description="As they are after the relaxation.")


class ModelItem(BaseModel):
    """A model: what it knows, what it learned from, how well."""

    name: str = Field(description="What `model` says in requests and structures.")
    fingerprint: str | None = Field(description="Short hash of card and weights; null where the weights are missing.")
    boundary: Literal["crystal", "molecule"] = Field(
        description="What it was trained on. A model of molecules makes no crystals; one of crystals extrapolates."
    )
    elements: list[str] = Field(description="Symbols of the elements that it has learned.")
    energy_kind: EnergyKind = Field(
        description="What ranks its structures: `pseudo` energies, without unit, or `formation` energies, eV/atom."
    )
    data: str = Field(description="What it was trained on, in words.")
    own: bool = Field(description="Trained or uploaded by your group, which alone sees it and can delete it.")
    scores: dict[str, Any] = Field(description="Of the last epoch.")
    potential: dict[str, Any] = Field(description="Hyper-parameters of the potential.")
    links: Links

    @classmethod
    def of(cls, card: ModelCard, fingerprint: str | None) -> Self:
        """The answer for a model."""
        told = {
            "fingerprint": fingerprint,
            "boundary": card.boundary,
            "elements": list(card.elements),
            "energy_kind": card.energy_kind,
            "data": str(card.training.get("source", "")),
            "scores": card.training.get("scores", {}),
            "recipe": card.training.get("spec", {}),
            "own": False,
            "links": {"self": f"/models/{card.name}", "file": f"/models/{card.name}/file"},
        }
        return cls.model_validate({**asdict(card), **told})

    @classmethod
    def of_own(cls, model: StoredModel) -> Self:
        """The answer for a model of a group."""
        item = cls.of(ModelCard.from_json(model.card), model.fingerprint)
        job = {} if model.job_id is None else {"job": f"/jobs/{model.job_id}"}
        return item.model_copy(update={"own": True, "links": item.links | job})


class ModelDetail(ModelItem):
    """A model with all that is on record."""

    formation: dict[str, Any] | None = Field(
        description="Hyper-parameters of the second potential, which estimates formation energies; null without one."
    )
    reference_energies: dict[str, float] = Field(description="End members of its hulls, per atom, of `energy_kind`.")
    recipe: dict[str, Any] = Field(description="The training run: noise, loss, epochs, seed.")
    training: dict[str, Any] = Field(description="The record of the training: data, steps, curves.")


class TrainingCurve(BaseModel):
    """Scores of a training in columns, a row for each epoch; null where there is nothing to score."""

    epoch: list[int] = Field(description="From 1.")
    loss: list[float] = Field(description="Mean training loss; no unit.")
    force_rmse: list[float | None] = Field(description="Root mean square force error of the training, pseudo units.")
    validation_loss: list[float | None] = Field(description="Loss under noise that was held out; no unit.")
    validation_force_rmse: list[float | None] = Field(
        description="Force error under noise that was held out, pseudo units."
    )
    validation_stress_rmse: list[float | None] = Field(
        description="Stress error under noise that was held out, pseudo units."
    )

    @classmethod
    def of(cls, records: Sequence[Mapping[str, Any]]) -> Self:
        """The answer for the scores of every epoch."""
        return cls(**{name: [record[name] for record in records] for name in cls.model_fields})


class JobPage(BaseModel):
    """Jobs, and the path of the next page."""

    items: list[JobItem] = Field(description="Newest first.")
    next: Next


class StructurePage(BaseModel):
    """Structures, and the path of the next page."""

    items: list[StructureItem] = Field(description="In the order asked for.")
    next: Next


class StructurePoints(BaseModel):
    """Structures in columns, all of one length."""

    id: list[str] = Field(description="Ids of the structures.")
    model: list[str] = Field(description="Energies of two models do not compare, so filter by `model`.")
    reduced_formula: list[str] = Field(description="As in the list of structures.")
    energy: list[float] = Field(description="Per atom, of the kind that the model's `energy_kind` names.")
    energy_above_hull: list[float | None] = Field(
        description="Per atom, of the kind `energy_kind`; null as in the list of structures."
    )
    volume_per_atom: list[float | None] = Field(description="Å³; null for what is no crystal.")
    opinion_energy: list[float | None] = Field(
        description="Formation energy by another potential, eV/atom; null where none was asked, see POST /opinions."
    )
    known: list[bool] = Field(description="The same as a known structure.")
    duplicate: list[bool] = Field(description="It repeats another one of its job.")
    is_complete: bool = Field(description="False where there are more: these are the first in the order.")

    @classmethod
    def of(cls, columns: Mapping[str, Sequence[Any]], *, is_complete: bool) -> Self:
        """The answer for columns of structures."""
        told: dict[str, Any] = {
            **columns,
            "energy": columns["ranking_energy"],
            "known": columns["is_matched"],
            "duplicate": [is_unique is False for is_unique in columns["is_unique"]],
            "is_complete": is_complete,
        }
        return cls.model_construct(**{name: told[name] for name in cls.model_fields})


class ReferencePage(BaseModel):
    """References, and the path of the next page."""

    model_config = _OF_VIEWS

    items: list[ReferenceView] = Field(description="By id.")
    next: Next


class ModelList(BaseModel):
    """All models."""

    items: list[ModelItem] = Field(description="The operator's, then those of the group, by name.")
    next: None = Field(default=None, description="All are on one page.")
