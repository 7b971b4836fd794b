"""What requests and answers look like."""

from __future__ import annotations

import secrets
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictInt, StrictStr

from rm_engine.files import Format
from rm_engine.spec import GenerationSpec
from rm_engine.spec.generation import CRYSTAL, MOLECULE
from rm_engine.spec.limits import MAX_ATOMS, MAX_SAMPLES, MAX_SEED, MAX_STEPS
from service.domain import JobState
from service.domain.views import JobCounts, JobView, MatchView, ReferenceView, StructureView

Number = Annotated[float, Field(allow_inf_nan=False)]
Vector = tuple[Number, Number, Number]
Units = Annotated[StrictInt, Field(ge=1, le=MAX_ATOMS)]


class PartlyPeriodic(BaseModel):
    """Which cell vectors are periodic; needs a cell."""

    model_config = ConfigDict(extra="forbid")
    periodic: tuple[StrictBool, StrictBool, StrictBool]


class GenerateRequest(BaseModel):
    """What to generate. Only ``composition`` is required."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {"composition": "LiS2", "n": 30},
                {"composition": "Li2S", "n": 20, "formula_units": [1, 4], "seed": 1},
                {"composition": "C2H6O", "n": 50, "boundary": "molecule"},
            ]
        },
    )

    composition: StrictStr = Field(description="Formula, reduced or not.", examples=["LiS2"])
    n: StrictInt = Field(30, ge=1, le=MAX_SAMPLES, description="Number of structures.")
    formula_units: Units | tuple[Units, Units] | None = Field(
        None,
        description="How many times the formula as written goes into a cell: a number, or [lowest, highest], which the "
        "structures take in turn. By default several that keep the cell at or below 20 atoms.",
    )
    boundary: Literal["crystal", "molecule"] | PartlyPeriodic = Field("crystal", description="Boundary conditions.")
    volume_per_atom: tuple[Number, Number] | None = Field(
        None, description="[lowest, highest] volume per atom of the random starts, Å³; the model's own by default."
    )
    cell: tuple[Vector, Vector, Vector] | None = Field(None, description="Starting cell, a vector per row, Å.")
    fixed_cell: StrictBool = Field(False, description="Keep the cell as it is.")
    min_distance: Number | None = Field(None, description="Least distance between two atoms of a start, Å.")
    model: StrictStr | None = Field(
        None, description="Name of the model, see GET /models. By default one for crystals or one for molecules."
    )
    seed: StrictInt | None = Field(
        None, ge=0, le=MAX_SEED, description="Same seed, same structures; random if left out."
    )
    fmax: Number = Field(0.01, description="Converged when no force is larger, pseudo units.")
    max_steps: StrictInt = Field(
        2000, ge=1, le=MAX_STEPS, description="Most relaxation steps, after up to 100 at fixed volume."
    )
    match: StrictBool = Field(True, description="Compare the results with the known structures.")

    def to_spec(self) -> GenerationSpec:
        """The run asked for, with a seed drawn where none was given.

        Raises:
            InputError: a value is out of its bounds.
        """
        given = self.model_dump(exclude={"boundary", "formula_units", "seed"}, exclude_none=True)
        return GenerationSpec(
            **given,
            formula_units=self._formula_units(),
            periodic=self._periodic(),
            seed=secrets.randbelow(MAX_SEED) if self.seed is None else self.seed,
        )

    def _formula_units(self) -> tuple[int, ...] | None:
        if self.formula_units is None:
            return None
        if isinstance(self.formula_units, int):
            return (self.formula_units,)
        low, high = self.formula_units
        return tuple(range(low, high + 1))

    def _periodic(self) -> tuple[bool, bool, bool]:
        if isinstance(self.boundary, PartlyPeriodic):
            return self.boundary.periodic
        return CRYSTAL if self.boundary == "crystal" else MOLECULE


class JobItem(BaseModel):
    """A job."""

    id: str
    state: JobState
    progress: float = Field(description="From 0 to 1.")
    counts: JobCounts
    n_steps: int = Field(description="Relaxation steps so far of what runs now.")
    error: str | None = Field(description="Why the job failed.")
    spec: dict[str, Any] = Field(description="The run, with the seed and every default that was taken.")
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    links: dict[str, str]

    @classmethod
    def of(cls, view: JobView) -> JobItem:
        """The answer for a job."""
        links = {"self": f"/jobs/{view.id}", "structures": f"/structures?job={view.id}"}
        return cls.model_validate({**vars(view), "links": links})


class SpaceGroup(BaseModel):
    """A space group."""

    number: int
    symbol: str


class StructureItem(BaseModel):
    """A structure as lists show it; energies are the model's pseudo energies."""

    id: str
    job: str
    sample: int
    formula: str
    reduced_formula: str
    chemsys: str
    n_atoms: int
    pseudo_energy_per_atom: float
    energy_above_hull: float | None = Field(description="Per atom; null until analysed, and for no converged crystal.")
    space_group: SpaceGroup | None
    converged: bool
    n_steps: int
    model: str
    matches: list[MatchView] = Field(description="Known structures it is the same as, best first.")
    duplicate_of: str | None = Field(description="The structure of the same job that it repeats.")
    created_at: datetime
    links: dict[str, str]

    @classmethod
    def of(cls, view: StructureView) -> StructureItem:
        """The answer for a structure."""
        number, symbol = view.space_group_number, view.space_group_symbol
        space_group = None if number is None else SpaceGroup(number=number, symbol=symbol or "")
        derived = {
            "job": view.job_id,
            "space_group": space_group,
            "matches": view.matches,
            "duplicate_of": view.duplicate_of,
            "links": {"self": f"/structures/{view.id}", "job": f"/jobs/{view.job_id}"},
        }
        return cls.model_validate({**vars(view), **derived})


class StructureDetail(StructureItem):
    """A structure with its atoms: numbers, positions (Å), cell (Å, a vector per row), periodic."""

    atoms: dict[str, Any]


class ReferenceUpload(BaseModel):
    """Known structures in the text of a file."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(min_length=1, max_length=200, pattern=r"^\P{Cc}*$", examples=["antifluorite"])
    source: str = Field("", max_length=1000, pattern=r"^\P{Cc}*$", description="Where they come from, e.g. a citation.")
    format: Format
    content: StrictStr = Field(min_length=1, description="Text of the file.")


class ModelItem(BaseModel):
    """A model: what it knows, how large it is, how it was trained."""

    name: str
    elements: list[str]
    potential: dict[str, Any]
    training: dict[str, Any]


class JobPage(BaseModel):
    """Jobs, and the path of the next page."""

    items: list[JobItem]
    next: str | None


class StructurePage(BaseModel):
    """Structures, and the path of the next page."""

    items: list[StructureItem]
    next: str | None


class ReferencePage(BaseModel):
    """References, and the path of the next page."""

    items: list[ReferenceView]
    next: str | None


class ModelList(BaseModel):
    """All models."""

    items: list[ModelItem]
    next: None = None
